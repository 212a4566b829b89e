import EngineErrors
import Foundation
import Testing

@testable import Journal

@Suite struct AppendReadTests {
  @Test func givesBackWhatWasAppended() async throws {
    try await withJournalDirectory { path in
      let journal = try Journal(directory: path)
      let events = [
        JournalEvent(
          kind: "container.exited", subject: "0123abcd",
          attributes: [
            "exitCode": 137, "isOOM": false, "byUser": true, "name": "früh ☕", "least": .integer(.min),
            "empty": "",
          ], time: 1_700_000_000_123_456_789),
        JournalEvent(kind: "image.pulled", subject: "", attributes: [:], time: 0),
      ]
      let cursors = try events.map { try journal.append($0) }
      #expect(cursors[0] < cursors[1])
      let batch = try Journal(directory: path).read(after: nil, limit: 10)
      #expect(batch.records == zip(cursors, events).map { JournalRecord(cursor: $0, event: $1) })
      #expect(!batch.gap)
      #expect(batch.next == cursors[1])
    }
  }

  @Test func emptyJournalHasNothing() async throws {
    try await withJournalDirectory { path in
      let journal = try Journal(directory: path)
      #expect(try journal.end == .start)
      for cursor in [nil, Cursor.start] {
        let batch = try journal.read(after: cursor, limit: 10)
        #expect(batch == JournalBatch(records: [], gap: false, start: .start, next: .start))
      }
    }
  }

  @Test func readsOnFromEveryCursor() async throws {
    try await withJournalDirectory { path in
      let journal = try Journal(directory: path, limits: .tiny)
      let cursors = try (0..<100).map { try journal.append(event($0)) }
      #expect(try journal.segmentPaths.count > 5)
      #expect(try journal.end == cursors.last)
      for (index, cursor) in cursors.enumerated() {
        let batch = try journal.read(after: cursor, limit: 1)
        #expect(!batch.gap)
        #expect(batch.records.first?.number == (index < 99 ? index + 1 : nil))
        #expect(try journal.readAll(after: cursor).compactMap(\.number) == Array((index + 1)..<100))
      }
    }
  }

  @Test func limitsABatch() async throws {
    try await withJournalDirectory { path in
      let journal = try Journal(directory: path)
      let long = String(repeating: "x", count: 60_000)
      for _ in 0..<5 { try journal.append(JournalEvent(kind: "a", subject: long, time: 0)) }
      #expect(try journal.read(after: nil, limit: 100).records.count == 1)
      #expect(try journal.readAll().count == 5)
      #expect(try journal.read(after: nil, limit: 0).records.count == 1)
    }
  }

  @Test func refusesAnEventThatIsTooLarge() async throws {
    try await withJournalDirectory { path in
      let journal = try Journal(directory: path)
      for count in [65_513, 70_000] {
        let large = JournalEvent(kind: "a", subject: String(repeating: "x", count: count), time: 0)
        let error = #expect(throws: EngineError.self) { try journal.append(large) }
        #expect(error?.kind == .invalidArgument)
      }
      #expect(try journal.readAll().isEmpty)
      try journal.append(event(1))
      #expect(try journal.readAll().count == 1)
    }
  }

  @Test func needsItsParentDirectory() {
    let error = #expect(throws: EngineError.self) { try Journal(directory: "/nonexistent/store/journal") }
    #expect(error?.kind == .notFound)
  }

  @Test func syncsWhatItWrote() async throws {
    try await withJournalDirectory { path in
      let journal = try Journal(directory: path, limits: .tiny)
      for number in 0..<50 { try journal.append(event(number)) }
      try journal.sync()
      try journal.sync()
      #expect(try journal.readAll().count == 50)
    }
  }
}

@Suite struct CursorTests {
  @Test(arguments: [0, 64, 1 << 40, Segment.offsetLimit - 1] as [Int64])
  func roundTrips(offset: Int64) throws {
    let cursor = Cursor(offset: offset)
    #expect(try Cursor(cursor.description) == cursor)
    #expect(try JSONDecoder().decode([Cursor].self, from: JSONEncoder().encode([cursor])) == [cursor])
  }

  @Test func textsSortAsCursors() {
    let cursors = [0, 9, 10, 255, 256, 1 << 40].map { Cursor(offset: $0) }
    #expect(cursors.map(\.description).sorted() == cursors.map(\.description))
  }

  @Test(arguments: [
    "", "0", "-000000000000001", "000000000000000G", "00000000000000FF", "ffffffffffffffff",
    "4000000000000000", "0000000000000000 ",
  ])
  func refusesOtherTexts(text: String) {
    let error = #expect(throws: EngineError.self) { try Cursor(text) }
    #expect(error?.kind == .invalidArgument)
  }
}
