import Foundation

/// As much of a protocol buffer's message as the container runtime interface takes: fields by their numbers, in the order in which
/// they were set or came.
struct ProtobufMessage: Hashable, Sendable {
  enum Value: Hashable, Sendable {
    case number(UInt64)
    /// A text, bytes or another message.
    case bytes([UInt8])
  }

  private(set) var fields: [(number: Int, value: Value)] = []

  static func == (one: Self, other: Self) -> Bool { one.encoded == other.encoded }
  func hash(into hasher: inout Hasher) { hasher.combine(encoded) }

  init() {}

  // MARK: Writing

  func number(_ field: Int, _ value: Int) -> Self { adding(field, .number(UInt64(bitPattern: Int64(value)))) }
  func text(_ field: Int, _ values: String...) -> Self {
    values.reduce(self) { $0.adding(field, .bytes(Array($1.utf8))) }
  }
  func message(_ field: Int, _ value: ProtobufMessage) -> Self { adding(field, .bytes(value.encoded)) }

  private func adding(_ field: Int, _ value: Value) -> Self {
    var copy = self
    copy.fields.append((field, value))
    return copy
  }

  var encoded: [UInt8] {
    var bytes: [UInt8] = []
    func add(_ number: UInt64) {
      var rest = number
      while rest > 0x7f {
        bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
        rest >>= 7
      }
      bytes.append(UInt8(rest))
    }
    for (field, value) in fields {
      switch value {
      case .number(let number):
        add(UInt64(field) << 3)
        add(number)
      case .bytes(let content):
        add(UInt64(field) << 3 | 2)
        add(UInt64(content.count))
        bytes += content
      }
    }
    return bytes
  }

  // MARK: Reading

  /// Nil for what is none, or has fields of fixed size.
  init?(_ bytes: some Collection<UInt8>) {
    var rest = Array(bytes)[...]
    func number() -> UInt64? {
      var value: UInt64 = 0
      for shift in stride(from: UInt64(0), to: 64, by: 7) {
        guard let byte = rest.popFirst() else { return nil }
        value |= UInt64(byte & 0x7f) << shift
        if byte < 0x80 { return value }
      }
      return nil
    }
    while !rest.isEmpty {
      guard let key = number() else { return nil }
      switch key & 7 {
      case 0:
        guard let value = number() else { return nil }
        fields.append((Int(key >> 3), .number(value)))
      case 2:
        guard let count = number(), count <= UInt64(rest.count) else { return nil }
        fields.append((Int(key >> 3), .bytes(Array(rest.prefix(Int(count))))))
        rest = rest.dropFirst(Int(count))
      default: return nil
      }
    }
  }

  /// 0 where it is not there, as protocol buffers have it.
  func number(_ field: Int) -> Int {
    for case (field, .number(let value)) in fields { return Int(truncatingIfNeeded: value) }
    return 0
  }

  /// Empty where it is not there.
  func text(_ field: Int) -> String {
    for case (field, .bytes(let bytes)) in fields { return String(decoding: bytes, as: UTF8.self) }
    return ""
  }

  func messages(_ field: Int) -> [ProtobufMessage] {
    fields.compactMap { entry in
      guard entry.number == field, case .bytes(let bytes) = entry.value else { return nil }
      return ProtobufMessage(bytes)
    }
  }
}
