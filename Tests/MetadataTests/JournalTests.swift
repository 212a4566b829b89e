import Glibc
import Testing

@testable import Metadata

@Suite("The journal")
struct JournalTests {
  private func event(_ number: Int) -> JournalEvent {
    JournalEvent(kind: "test.happened", subject: "\(number)", attributes: ["number": .integer(Int64(number))])
  }

  @Test("a cursor beyond all numbers is a gap, and no trap")
  func cursorBeyondAll() async throws {
    try await withStore { store async throws in
      try await store.append(JournalEvent(kind: "test.happened", subject: "s"))
      let records = try store.events(after: Cursor(epoch: 9, number: .max), limit: 10)
      #expect(records.map(\.event.kind) == [JournalRecord.gapKind])
    }
  }

  @Test("invariant 5: what comes after a cursor comes once, in order, in every service")
  func reading() async throws {
    try await withDatabasePath { path in
      let (one, two) = (try MetadataStore(path: path), try MetadataStore(path: path))
      let start = try one.end()
      for number in 0..<10 { try await (number % 2 == 0 ? one : two).append(event(number)) }
      let records = try two.events(after: start, limit: 100)
      #expect(records.map(\.event.subject) == (0..<10).map { "\($0)" })
      #expect(records.map(\.cursor) == records.map(\.cursor).sorted())
      let rest = try one.events(after: records[6].cursor, limit: 2)
      #expect(rest.map(\.event.subject) == ["7", "8"])
      #expect(try one.events(after: try one.end(), limit: 1).isEmpty)
      #expect(
        try one.events(after: .start, limit: 100).map(\.event.kind).allSatisfy { $0 == "test.happened" }
      )
    }
  }

  @Test("a change and its event are there together or not at all")
  func oneTransaction() async throws {
    try await withStore { store in
      let one = image("one")
      try await store.recordImage(one, reference: "r/a:1", at: 1, events: [event(1)])
      let end = try store.end()
      #expect(
        await kind { try await store.setTag("r/a:1", to: digest("none"), at: 5, events: [event(2)]) }
          == .notFound)
      #expect(try store.end() == end)
    }
  }

  @Test("who follows gets history and then what another service adds, without a hole")
  func following() async throws {
    try await withDatabasePath { path in
      let (one, two) = (try MetadataStore(path: path), try MetadataStore(path: path))
      try await one.append(event(0))
      let (seen, continuation) = AsyncStream.makeStream(of: String.self)
      let follower = Task {
        defer { continuation.finish() }
        for try await record in one.follow(after: .start) { continuation.yield(record.event.subject) }
      }
      var iterator = seen.makeAsyncIterator()
      #expect(await iterator.next() == "0")
      for number in 1..<50 { try await two.append(event(number)) }
      for number in 1..<50 { #expect(await iterator.next() == "\(number)") }
      follower.cancel()
      _ = try? await follower.value
    }
  }

  @Test("who follows in one of two services that write at once gets what both write, once and in order")
  func followingBoth() async throws {
    try await withDatabasePath { path in
      let stores = try [MetadataStore(path: path), MetadataStore(path: path)]
      let each = 300
      let seen = try await withThrowingTaskGroup(of: [Int64].self) { group in
        for store in stores {
          group.addTask {
            var numbers: [Int64] = []
            for try await record in store.follow(after: .start) {
              numbers.append(record.cursor.number)
              if numbers.count == each * stores.count { break }
            }
            return numbers
          }
          group.addTask {
            for number in 0..<each {
              try await store.append(JournalEvent(kind: "test.written", subject: "\(number)"))
            }
            return []
          }
        }
        return try await group.reduce(into: [[Int64]]()) { if !$1.isEmpty { $0.append($1) } }
      }
      #expect(seen == Array(repeating: Array(1...Int64(each * stores.count)), count: 2))
    }
  }

  @Test("the write-ahead log is copied into the database now and then")
  func checkpoints() async throws {
    try await withDatabasePath { path in
      let store = try MetadataStore(path: path)
      var largest: Int64 = 0
      for number in 0..<2_000 {
        try await store.append(JournalEvent(kind: "test.written", subject: "\(number)"))
        var status = stat()
        #expect(stat("\(path)-wal", &status) == 0)
        largest = max(largest, Int64(status.st_size))
      }
      // A commit of one event has two pages or three.
      #expect(largest < 6 << 20, "\(largest)")
    }
  }

  @Test("a cursor from after the end, as of a store that was put back, is told of the gap")
  func gap() async throws {
    try await withStore { store in
      try await store.append(event(1))
      let end = try store.end()
      let records = try store.events(after: Cursor(epoch: end.epoch, number: end.number + 5), limit: 10)
      #expect(records.map(\.event.kind) == [JournalRecord.gapKind])
    }
  }

  @Test("text that is no cursor is refused", arguments: ["", "5", "a-b", "1-2-3", "-1-2", "1--2", "+1-2"])
  func notACursor(text: String) async {
    #expect(await kind { try Cursor(text) } == .invalidArgument)
  }
}
