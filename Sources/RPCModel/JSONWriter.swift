/// A value of the protocol that has a JSON form.
public protocol JSONWritable {
  func write(to json: inout JSONWriter)
}

/// Writes JSON text (RFC 8259) as UTF-8, in one pass over the values: a list of ten thousand images is a matter of milliseconds.
///
/// Members are in the order in which the protocol declares them, and nothing is written between them.
public struct JSONWriter {
  public private(set) var bytes: [UInt8] = []
  /// Whether the next member or element follows another one.
  private var needsComma = false

  public init() {}

  /// The JSON text of a value.
  public static func bytes(of value: some JSONWritable) -> [UInt8] {
    var json = JSONWriter()
    value.write(to: &json)
    return json.bytes
  }

  mutating func beginObject() { begin("{") }
  mutating func endObject() { end("}") }

  /// - Parameter key: with its quotation marks and the colon, so that it is one copy.
  mutating func member(_ key: StaticString, _ value: some JSONWritable) {
    separate()
    bytes.append(contentsOf: UnsafeBufferPointer(start: key.utf8Start, count: key.utf8CodeUnitCount))
    value.write(to: &self)
    needsComma = true
  }

  /// What is absent is not written.
  mutating func member(_ key: StaticString, _ value: (some JSONWritable)?) {
    if let value { member(key, value) }
  }

  fileprivate mutating func array(_ elements: [some JSONWritable]) {
    begin("[")
    let start = bytes.count
    for (index, element) in elements.enumerated() {
      separate()
      element.write(to: &self)
      needsComma = true
      // Elements of a long list are much alike; making room for all of them once saves moving them again and again.
      if index == 15 { bytes.reserveCapacity(start + (bytes.count - start) / 15 * elements.count) }
    }
    end("]")
  }

  fileprivate mutating func map(_ members: [String: some JSONWritable]) {
    begin("{")
    for (name, value) in members.sorted(by: { $0.key < $1.key }) {
      separate()
      name.write(to: &self)
      put(":")
      value.write(to: &self)
      needsComma = true
    }
    end("}")
  }

  fileprivate mutating func integer(_ value: Int) {
    if value < 0 { put("-") }
    // The last digit first, so from the end of what the largest number needs.
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { digits in
      var (rest, start) = (value.magnitude, digits.count)
      repeat {
        start -= 1
        digits[start] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
        rest /= 10
      } while rest > 0
      bytes.append(contentsOf: UnsafeBufferPointer(rebasing: digits[start...]))
    }
  }

  /// - Parameter text: a whole value.
  mutating func verbatim(_ text: [UInt8]) { bytes += text }

  fileprivate mutating func text(_ text: some StringProtocol) { bytes.append(contentsOf: text.utf8) }

  fileprivate mutating func string(_ characters: UnsafeBufferPointer<UInt8>) {
    put("\"")
    var start = 0
    for index in characters.indices {
      let byte = characters[index]
      if byte >= 0x20, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") { continue }
      bytes.append(contentsOf: UnsafeBufferPointer(rebasing: characters[start..<index]))
      escape(byte)
      start = index + 1
    }
    bytes.append(contentsOf: UnsafeBufferPointer(rebasing: characters[start...]))
    put("\"")
  }

  private mutating func escape(_ byte: UInt8) {
    put("\\")
    switch byte {
    case UInt8(ascii: "\n"): put("n")
    case UInt8(ascii: "\t"): put("t")
    case UInt8(ascii: "\r"): put("r")
    case 0..<0x20:
      let digits = String(byte, radix: 16)
      text("u" + String(repeating: "0", count: 4 - digits.count) + digits)
    default: bytes.append(byte)
    }
  }

  private mutating func separate() {
    if needsComma { put(",") }
    needsComma = false
  }

  private mutating func begin(_ bracket: Unicode.Scalar) {
    put(bracket)
    needsComma = false
  }

  private mutating func end(_ bracket: Unicode.Scalar) {
    put(bracket)
    needsComma = true
  }

  private mutating func put(_ character: Unicode.Scalar) { bytes.append(UInt8(ascii: character)) }
}

extension String: JSONWritable {
  public func write(to json: inout JSONWriter) {
    if utf8.withContiguousStorageIfAvailable({ json.string($0) }) == nil {
      var copy = self
      copy.withUTF8 { json.string($0) }
    }
  }
}

extension Int: JSONWritable {
  public func write(to json: inout JSONWriter) { json.integer(self) }
}

extension Bool: JSONWritable {
  public func write(to json: inout JSONWriter) { json.text(self ? "true" : "false") }
}

/// JSON's null, which no value of the protocol is.
struct JSONNull: JSONWritable {
  func write(to json: inout JSONWriter) { json.text("null") }
}

extension Array: JSONWritable where Element: JSONWritable {
  public func write(to json: inout JSONWriter) { json.array(self) }
}

extension Dictionary: JSONWritable where Key == String, Value: JSONWritable {
  public func write(to json: inout JSONWriter) { json.map(self) }
}

/// Enumerations of the protocol are their text.
extension RawRepresentable where RawValue == String {
  public func write(to json: inout JSONWriter) { rawValue.write(to: &json) }
}
