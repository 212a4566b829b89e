import Glibc

/// A message to the kernel, as it is built: netlink's header, the family's header, and attributes (netlink(7)).
///
/// Numbers are in the machine's order but where an attribute is in the network's.
struct NetlinkMessage {
  private(set) var bytes: [UInt8] = []

  /// - Parameters:
  ///   - kind: nlmsg_type.
  ///   - flags: besides NLM_F_REQUEST.
  ///   - sequence: comes back in the answers.
  init(_ kind: UInt16, flags: UInt16, sequence: UInt32) {
    add(UInt32(0))
    add(kind)
    add(flags | 0x1)
    add(sequence)
    add(UInt32(0))
  }

  mutating func add<Number: FixedWidthInteger>(_ number: Number) {
    withUnsafeBytes(of: number) { bytes.append(contentsOf: $0) }
  }

  mutating func attribute(_ kind: Int, _ value: some Collection<UInt8>) {
    // Attributes here are names, addresses and the like; the header counts to 64 KiB.
    add(UInt16(truncatingIfNeeded: value.count + 4))
    add(UInt16(truncatingIfNeeded: kind))
    bytes.append(contentsOf: value)
    align()
  }

  /// With its NUL.
  mutating func attribute(_ kind: Int, _ text: String) { attribute(kind, Array(text.utf8) + [0]) }

  mutating func attribute(_ kind: Int, number: UInt32) {
    withUnsafeBytes(of: number) { attribute(kind, Array($0)) }
  }

  mutating func attribute(_ kind: Int, byte: UInt8) { attribute(kind, [byte]) }

  /// One that holds what `body` adds.
  mutating func nested(_ kind: Int, _ body: (inout NetlinkMessage) -> Void) {
    let start = bytes.count
    add(UInt16(0))
    add(UInt16(truncatingIfNeeded: kind))
    body(&self)
    put(UInt16(truncatingIfNeeded: bytes.count - start), at: start)
  }

  /// The whole message with its length.
  func finished() -> [UInt8] {
    var message = self
    message.put(UInt32(truncatingIfNeeded: bytes.count), at: 0)
    return message.bytes
  }

  private mutating func align() {
    while bytes.count % 4 != 0 { bytes.append(0) }
  }

  private mutating func put<Number: FixedWidthInteger>(_ number: Number, at offset: Int) {
    withUnsafeBytes(of: number) { bytes.replaceSubrange(offset..<offset + $0.count, with: $0) }
  }
}

/// A message from the kernel.
struct NetlinkAnswer {
  var kind: UInt16
  var flags: UInt16
  var sequence: UInt32
  /// What follows netlink's header.
  var body: ArraySlice<UInt8>

  /// The messages of a datagram; a length that does not fit ends them.
  static func all(in datagram: [UInt8]) -> [NetlinkAnswer] {
    var answers: [NetlinkAnswer] = []
    var rest = datagram[...]
    while rest.count >= 16, let size = rest.number(UInt32.self, at: 0).flatMap({ Int(exactly: $0) }),
      size >= 16, size <= rest.count
    {
      guard let kind = rest.number(UInt16.self, at: 4), let flags = rest.number(UInt16.self, at: 6),
        let sequence = rest.number(UInt32.self, at: 8)
      else { break }
      answers.append(
        NetlinkAnswer(
          kind: kind, flags: flags, sequence: sequence, body: rest.dropFirst(16).prefix(size - 16)))
      rest = rest.dropFirst((size + 3) & ~3)
    }
    return answers
  }

  /// The attributes behind the family's header of `skip` bytes; of those that are there twice, the last.
  func attributes(after skip: Int) -> NetlinkAttributes { NetlinkAttributes(body.dropFirst(skip)) }
}

struct NetlinkAttributes {
  private var values: [Int: ArraySlice<UInt8>] = [:]

  init(_ bytes: ArraySlice<UInt8>) {
    var rest = bytes
    while rest.count >= 4, let size = rest.number(UInt16.self, at: 0),
      let kind = rest.number(UInt16.self, at: 2),
      size >= 4, Int(size) <= rest.count
    {
      // Without the bits that say that it is nested, or in the network's order.
      values[Int(kind & 0x3fff)] = rest.dropFirst(4).prefix(Int(size) - 4)
      rest = rest.dropFirst((Int(size) + 3) & ~3)
    }
  }

  subscript(kind: Int) -> ArraySlice<UInt8>? { values[kind] }

  func text(_ kind: Int) -> String? {
    values[kind].map { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }

  func number(_ kind: Int) -> UInt32? { values[kind].flatMap { $0.number(UInt32.self, at: 0) } }

  func nested(_ kind: Int) -> NetlinkAttributes? { values[kind].map { NetlinkAttributes($0) } }
}

extension ArraySlice<UInt8> {
  /// Nil where it ends before.
  func number<Number: FixedWidthInteger>(_ type: Number.Type, at offset: Int) -> Number? {
    let size = MemoryLayout<Number>.size
    guard offset >= 0, offset + size <= count else { return nil }
    var number: Number = 0
    Swift.withUnsafeMutableBytes(of: &number) { $0.copyBytes(from: self.dropFirst(offset).prefix(size)) }
    return number
  }
}
