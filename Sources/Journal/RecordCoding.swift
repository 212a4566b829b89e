internal import EngineErrors

/// A record's bytes: length of the body and CRC-32C, 32 bits each, then the body: its type and content.
///
/// The CRC also covers the record's journal-wide offset, so that a record is valid in its own place only.
enum RecordCoding {
  static let headLength = 8
  /// Of a whole record; it also bounds what a damaged length can make a reader read.
  static let lengthLimit = 64 * 1024

  enum Kind: UInt8 {
    case event = 1
    /// Nothing follows in this segment.
    case seal = 2
  }

  static let seal: [UInt8] = [Kind.seal.rawValue]

  /// The body for an event.
  ///
  /// - Throws: `invalidArgument` when it is too large.
  static func body(_ event: JournalEvent) throws(EngineError) -> [UInt8] {
    var writer = ByteWriter()
    writer.write(Kind.event.rawValue)
    writer.write(event.time)
    var fits = writer.write(short: event.kind) && writer.write(short: event.subject)
    writer.write(UInt16(truncatingIfNeeded: event.attributes.count))
    for (name, value) in event.attributes.sorted(by: { $0.key < $1.key }) {
      fits = fits && writer.write(short: name)
      switch value {
      case .string(let text):
        writer.write(UInt8(1))
        fits = fits && writer.write(short: text)
      case .integer(let number):
        writer.write(UInt8(2))
        writer.write(number)
      case .boolean(let flag):
        writer.write(flag ? UInt8(4) : UInt8(3))
      }
    }
    guard fits, writer.bytes.count + headLength <= lengthLimit else {
      throw EngineError(
        .invalidArgument, "cannot append \(event.kind) to the journal: the event is larger than 64 KiB",
        subject: event.subject)
    }
    return writer.bytes
  }

  /// The record for a body that goes to `offset`.
  static func record(_ body: [UInt8], at offset: Int64) -> [UInt8] {
    var writer = ByteWriter()
    writer.write(UInt32(truncatingIfNeeded: body.count))
    body.withUnsafeBytes { writer.write(checksum($0, at: offset)) }
    writer.write(bytes: body)
    return writer.bytes
  }

  enum Parsed: Equatable {
    case event(JournalEvent, length: Int)
    case seal
    /// A valid record of a type that a later version made.
    case other(length: Int)
    /// The bytes end within the record.
    case incomplete
    /// No record: zeros, a torn one with something after it, or damage.
    case invalid
  }

  /// Reads the record at the start of `bytes`, which stand at `offset` in the journal.
  ///
  /// - Parameter skippingContent: checks an event's record but does not decode it.
  static func parse(_ bytes: ArraySlice<UInt8>, at offset: Int64, skippingContent: Bool = false) -> Parsed {
    var reader = ByteReader(bytes)
    guard let length = reader.integer(UInt32.self), let crc = reader.integer(UInt32.self) else {
      return .incomplete
    }
    guard length > 0, length <= lengthLimit - headLength else { return .invalid }
    guard let body = reader.bytes(Int(length)) else { return .incomplete }
    guard body.withUnsafeBytes({ checksum($0, at: offset) }) == crc else { return .invalid }
    let total = headLength + Int(length)
    switch body.first.flatMap(Kind.init) {
    case .seal: return .seal
    case nil: return .other(length: total)
    case .event where skippingContent: return .other(length: total)
    case .event: return event(body.dropFirst()).map { .event($0, length: total) } ?? .invalid
    }
  }

  private static func event(_ content: ArraySlice<UInt8>) -> JournalEvent? {
    var reader = ByteReader(content)
    guard let time = reader.integer(Int64.self), let kind = reader.shortText(),
      let subject = reader.shortText(), let count = reader.integer(UInt16.self)
    else { return nil }
    var event = JournalEvent(kind: kind, subject: subject, time: time)
    for _ in 0..<count {
      guard let name = reader.shortText(), let value = value(&reader) else { return nil }
      event.attributes[name] = value
    }
    return event
  }

  private static func value(_ reader: inout ByteReader) -> JournalValue? {
    switch reader.integer(UInt8.self) {
    case 1: reader.shortText().map(JournalValue.string)
    case 2: reader.integer(Int64.self).map(JournalValue.integer)
    case 3: .boolean(false)
    case 4: .boolean(true)
    default: nil
    }
  }

  private static func checksum(_ body: UnsafeRawBufferPointer, at offset: Int64) -> UInt32 {
    var crc = CRC32C()
    crc.update(UInt64(bitPattern: offset))
    crc.update(UInt64(body.count))
    crc.update(body)
    return crc.value
  }
}
