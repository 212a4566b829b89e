import EngineErrors
import Testing

@testable import Journal

/// What crashes and power cuts leave behind.
@Suite struct DamageTests {
  /// A journal of three events and the bytes of its one segment.
  private func threeEvents(_ journal: Journal) throws -> (cursors: [Cursor], bytes: [UInt8]) {
    let cursors = try (0..<3).map { try journal.append(event($0)) }
    return (cursors, try contents(journal.segmentPaths[0]))
  }

  @Test func cutsALastRecordTornAtAnyByte() async throws {
    try await withJournalDirectory { path in
      let (cursors, bytes) = try threeEvents(Journal(directory: path))
      let segment = try Journal(directory: path).segmentPaths[0]
      for length in Int(cursors[1].offset)..<bytes.count {
        for other in try Journal(directory: path).segmentPaths.dropFirst() { try remove(other) }
        try overwrite(segment, with: Array(bytes[..<length]))
        let journal = try Journal(directory: path)
        // A reader sees what is whole and no gap: the writer may be at work still.
        #expect(try journal.readAll().compactMap(\.number) == [0, 1])
        #expect(try journal.read(after: cursors[1], limit: 9) == .end(at: cursors[1]))
        let cursor = try journal.append(event(9))
        #expect(try journal.readAll().compactMap(\.number) == [0, 1, 9])
        #expect(try !journal.read(after: cursors[1], limit: 9).gap)
        // A cursor of the record that is gone tells so, unless it was never whole.
        let batch = try journal.read(after: cursors[2], limit: 9)
        if length > cursors[1].offset {
          #expect(cursor > cursors[2])
          #expect(batch.gap)
          #expect(batch.records.compactMap(\.number) == [9])
          #expect(batch.start < cursor)
        }
      }
    }
  }

  @Test func seesARecordOnceItIsWhole() async throws {
    try await withJournalDirectory { path in
      let (cursors, bytes) = try threeEvents(Journal(directory: path))
      let segment = try Journal(directory: path).segmentPaths[0]
      for length in Int(cursors[1].offset)...bytes.count {
        try overwrite(segment, with: Array(bytes[..<length]))
        let batch = try Journal(directory: path).read(after: cursors[1], limit: 9)
        #expect(!batch.gap)
        #expect(batch.records.compactMap(\.number) == (length == bytes.count ? [2] : []))
      }
    }
  }

  @Test(arguments: [0, 8, 20]) func reportsWhatADamagedRecordCost(byte: Int64) async throws {
    try await withJournalDirectory { path in
      let (cursors, bytes) = try threeEvents(Journal(directory: path))
      var damaged = bytes
      damaged[Int(cursors[0].offset + byte)] ^= 0x40
      let journal = try Journal(directory: path)
      try overwrite(journal.segmentPaths[0], with: damaged)
      try journal.append(event(9))
      // Followers that stood before the damage and those whose events are gone learn of it, once.
      for (cursor, expected) in [(nil, [0]), (.start, [0]), (cursors[0], [9]), (cursors[1], [9])]
        as [(Cursor?, [Int])]
      {
        let batch = try journal.read(after: cursor, limit: 9)
        #expect(batch.records.compactMap(\.number) == expected)
        #expect(batch.gap == (expected == [9]) || cursor == cursors[0])
      }
      #expect(try journal.readAll().compactMap(\.number) == [0, 9])
      // The journal goes on as ever.
      try Journal(directory: path).append(event(10))
      #expect(try journal.readAll().compactMap(\.number) == [0, 9, 10])
    }
  }

  @Test func reportsDamageInAnEarlierSegment() async throws {
    try await withJournalDirectory { path in
      let journal = try Journal(directory: path, limits: .tiny)
      let cursors = try (0..<20).map { try journal.append(event($0)) }
      let first = try journal.segmentPaths[0]
      var bytes = try contents(first)
      bytes[Int(cursors[1].offset) + 12] ^= 1
      try overwrite(first, with: bytes)
      let batch = try journal.read(after: cursors[1], limit: 1)
      #expect(batch.gap)
      #expect(batch.records.first?.number ?? 0 > 2)
      #expect(try !journal.read(after: cursors[0], limit: 9).gap)
    }
  }

  @Test func startsAGenerationAfterABoot() async throws {
    try await withJournalDirectory { path in
      let (cursors, bytes) = try threeEvents(Journal(directory: path))
      let header = Segment.Header(base: 0, previousEnd: 0, boot: BootID(high: 1, low: 1))
      // As after a power cut that took the third event.
      let kept = header.encoded() + bytes[64..<Int(cursors[1].offset)]
      let journal = try Journal(directory: path)
      try overwrite(journal.segmentPaths[0], with: Array(kept))

      // Before anything was appended, the lost place is beyond the end.
      let lost = try journal.read(after: cursors[2], limit: 9)
      #expect(lost.gap)
      #expect(lost.records.isEmpty)
      #expect(lost.next == cursors[1])

      // Also when the new events have grown over the lost place's offset.
      let later = try (10..<14).map { try journal.append(event($0)) }
      #expect(later[0].offset > Segment.generationLength)
      let batch = try journal.read(after: cursors[2], limit: 9)
      #expect(batch.gap)
      #expect(batch.records.compactMap(\.number) == [10, 11, 12, 13])
      #expect(try !journal.read(after: cursors[1], limit: 9).gap)
      #expect(try !journal.read(after: batch.start, limit: 9).gap)
      #expect(try Journal(directory: path).readAll().compactMap(\.number) == [0, 1, 10, 11, 12, 13])
    }
  }

  @Test func leavesOutASegmentWithoutHeader() async throws {
    try await withJournalDirectory { path in
      let journal = try Journal(directory: path, limits: .tiny)
      let cursors = try (0..<20).map { try journal.append(event($0)) }
      let last = try #require(try journal.segmentPaths.last)
      let lost = try contents(last).count
      try overwrite(last, with: [UInt8](repeating: 0, count: lost))
      let other = try Journal(directory: path, limits: .tiny)
      let rest = try other.readAll().compactMap(\.number)
      #expect(rest == Array(0..<rest.count))
      #expect(rest.count < 20)
      try other.append(event(99))
      #expect(try other.readAll().compactMap(\.number) == rest + [99])
      #expect(try other.read(after: cursors[19], limit: 1).records.first?.number == 99)
    }
  }

  @Test func aCursorThatIsNoPlaceGivesAGap() async throws {
    try await withJournalDirectory { path in
      let journal = try Journal(directory: path)
      let (cursors, _) = try threeEvents(journal)
      let inside = try journal.read(after: Cursor(offset: cursors[0].offset + 3), limit: 9)
      #expect(inside.gap)
      #expect(inside.records.compactMap(\.number) == [2])
      let beyond = try journal.read(after: Cursor(offset: cursors[2].offset + 1000), limit: 9)
      #expect(beyond == .gap(at: cursors[2]))
      #expect(try journal.read(after: beyond.next, limit: 9) == .end(at: cursors[2]))
    }
  }
}

extension JournalBatch {
  static func end(at cursor: Cursor) -> JournalBatch {
    JournalBatch(records: [], gap: false, start: cursor, next: cursor)
  }

  static func gap(at cursor: Cursor) -> JournalBatch {
    JournalBatch(records: [], gap: true, start: cursor, next: cursor)
  }
}
