import Testing

@testable import Runner

@Suite("the last lines of a log")
struct LineTailTests {
  private func tail(_ count: Int, _ limit: Int, _ pieces: [String]) -> [String] {
    var tail = LineTail(count: count, sizeLimit: limit)
    for piece in pieces { tail.add(LogRecord(time: 1, content: .stdout(Array(piece.utf8)))) }
    return tail.records().map { String(decoding: $0.content.bytes, as: UTF8.self) }
  }

  @Test("lines are counted over records, and the first one is cut")
  func lines() {
    #expect(tail(2, 1 << 20, ["a\nb", "c\nd\n", "e\n"]) == ["d\n", "e\n"])
    #expect(tail(3, 1 << 20, ["a\nb", "c\nd\n", "e"]) == ["b", "c\nd\n", "e"])
    #expect(tail(0, 1 << 20, ["a\n"]) == [])
  }

  @Test("what a record takes besides its bytes counts, of the smallest and of losses as well")
  func records() {
    let limit = 1 << 20
    let bytes = (0..<100_000).map { String($0 % 10) }
    let kept = tail(1_000_000, limit, bytes)
    #expect(kept.count > 1000 && kept.count < limit / 64)
    #expect(kept == Array(bytes.suffix(kept.count)))
    var losses = LineTail(count: 5, sizeLimit: limit)
    for _ in 0..<100_000 { losses.add(LogRecord(time: 1, content: .lost(bytes: 1))) }
    #expect(losses.records().count < limit / 64)
  }
}
