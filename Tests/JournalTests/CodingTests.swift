import EngineErrors
import Testing

@testable import Journal

@Suite struct CodingTests {
  @Test func knowsTheChecksumOfRFC3720() {
    var crc = CRC32C()
    Array("123456789".utf8).withUnsafeBytes { crc.update($0) }
    #expect(crc.value == 0xE306_9283)
  }

  @Test func aRecordIsValidInItsOwnPlaceOnly() throws {
    let record = RecordCoding.record(try RecordCoding.body(event(7)), at: 1000)
    #expect(RecordCoding.parse(record[...], at: 1000) == .event(event(7), length: record.count))
    #expect(RecordCoding.parse(record[...], at: 1001) == .invalid)
  }

  @Test func everyPrefixIsIncomplete() throws {
    let record = RecordCoding.record(try RecordCoding.body(event(7)), at: 64)
    for count in 0..<record.count {
      #expect(RecordCoding.parse(record[..<count], at: 64) == .incomplete)
    }
  }

  @Test func everyFlippedBitIsFound() throws {
    let record = RecordCoding.record(try RecordCoding.body(event(7)), at: 64)
    for bit in 0..<(record.count * 8) {
      var damaged = record
      damaged[bit / 8] ^= 1 << (bit % 8)
      // A length that was made larger looks like a record whose end is not there yet.
      #expect([.invalid, .incomplete].contains(RecordCoding.parse(damaged[...], at: 64)))
    }
  }

  @Test func takesAnyContentUnderAValidChecksum() {
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<2000 {
      var body = (0..<Int.random(in: 1...80)).map { _ in UInt8.random(in: 0...255, using: &generator) }
      body[0] = 1
      let record = RecordCoding.record(body, at: 0)
      switch RecordCoding.parse(record[...], at: 0) {
      case .event(_, let length): #expect(length == record.count)
      case let other: #expect(other == .invalid)
      }
    }
  }

  @Test func skipsRecordsOfALaterVersion() {
    let record = RecordCoding.record([99, 1, 2, 3], at: 0)
    #expect(RecordCoding.parse(record[...], at: 0) == .other(length: record.count))
  }

  @Test func headerRoundTrips() throws {
    let header = Segment.Header(base: 1 << 40, previousEnd: 999, boot: BootID(high: 1, low: 2))
    let bytes = header.encoded()
    #expect(bytes.count == 64)
    #expect(try Segment.Header(bytes) == header)
    for index in bytes.indices where !(8..<12).contains(index) {
      var damaged = bytes
      damaged[index] ^= 1
      #expect(try Segment.Header(damaged) == nil)
    }
    #expect(try Segment.Header(Array(bytes.dropLast())) == nil)
    #expect(try Segment.Header([]) == nil)
  }

  @Test func refusesALaterVersionOfTheFormat() {
    var bytes = Segment.Header(base: 0, previousEnd: 0, boot: .unknown).encoded()
    bytes[8] = 2
    let error = #expect(throws: EngineError.self) { try Segment.Header(bytes) }
    #expect(error?.kind == .unsupported)
    #expect(error?.hint != nil)
  }

  @Test func readsTheBootID() {
    #expect(BootID(text: "00000000-0000-0001-0000-000000000002\n") == BootID(high: 1, low: 2))
    #expect(BootID(text: "nonsense") == nil)
    #expect(BootID.current != .unknown)
  }
}
