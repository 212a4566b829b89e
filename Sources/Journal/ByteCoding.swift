/// Builds little-endian bytes.
struct ByteWriter {
  private(set) var bytes: [UInt8] = []

  mutating func write(_ value: some FixedWidthInteger) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  mutating func write(bytes more: some Collection<UInt8>) { bytes.append(contentsOf: more) }

  /// A text of up to 65,535 bytes, after its length; false when it is longer.
  mutating func write(short text: String) -> Bool {
    let utf8 = text.utf8
    guard let count = UInt16(exactly: utf8.count) else { return false }
    write(count)
    bytes.append(contentsOf: utf8)
    return true
  }

  mutating func pad(to length: Int) {
    while bytes.count < length { bytes.append(0) }
  }
}

/// Takes little-endian bytes apart; nil where they end too early.
struct ByteReader {
  private var rest: ArraySlice<UInt8>

  init(_ bytes: [UInt8]) { rest = bytes[...] }
  init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

  mutating func bytes(_ count: Int) -> ArraySlice<UInt8>? {
    guard count >= 0, count <= rest.count else { return nil }
    defer { rest = rest.dropFirst(count) }
    return rest.prefix(count)
  }

  mutating func integer<Value: FixedWidthInteger>(_ type: Value.Type) -> Value? {
    guard let bytes = bytes(MemoryLayout<Value>.size) else { return nil }
    return bytes.withUnsafeBytes { Value(littleEndian: $0.loadUnaligned(as: Value.self)) }
  }

  mutating func shortText() -> String? {
    guard let count = integer(UInt16.self), let bytes = bytes(Int(count)) else { return nil }
    return String(decoding: bytes, as: UTF8.self)
  }
}
