package import EngineErrors
internal import Foundation
internal import GRDB
internal import LinuxSystem

extension MetadataStore {
  /// Events that are kept; older ones are dropped by the first service after a start of the machine.
  static let keptEvents = 1_000_000

  /// Journals an event that goes with no other change.
  package func append(_ event: JournalEvent) async throws(EngineError) {
    try await write("journal \(event.kind)", .process) { _ in
    } events: {
      [event]
    }
  }

  /// Where the journal ends now.
  package func end() throws(EngineError) -> Cursor {
    let number = try read("read the journal") { try Self.end(in: $0) }
    return Cursor(epoch: Epoch.of(number, epochs), number: number)
  }

  /// The events after a cursor, the oldest first.
  ///
  /// - Parameter limit: at most so many.
  /// - Returns: records; the first is a gap where events after the cursor are not known any more. Empty at the end.
  package func events(after cursor: Cursor, limit: Int) throws(EngineError) -> [JournalRecord] {
    try read("read the journal") { database in
      var (after, hasGap) = resume(cursor)
      let statement = try database.cachedStatement(
        sql:
          "SELECT number, time, kind, subject, attributes FROM events WHERE number > ? ORDER BY number LIMIT ?"
      )
      var records = try Row.fetchAll(statement, arguments: [after, limit]).map(record)
      // Numbers have no holes: the one that follows says that nothing is missing.
      if records.first.map({ $0.cursor.number - 1 }) != after {
        let end = try Self.end(in: database)
        if after > end {
          // Of another store, or of a copy of this one.
          (after, hasGap) = (end, true)
          records = try Row.fetchAll(statement, arguments: [after, limit]).map(record)
        } else if let oldest = records.first?.cursor.number {
          // Numbers that were dropped for their age.
          (after, hasGap) = (oldest - 1, true)
        }
      }
      guard hasGap else { return records }
      let gap = JournalRecord(
        cursor: Cursor(epoch: Epoch.of(after, epochs), number: after),
        time: records.first?.time ?? Timestamp.now,
        event: JournalEvent(kind: JournalRecord.gapKind, subject: ""))
      return [gap] + records
    }
  }

  /// The newest event of a kind about a subject. Looks through the journal from its end: for what has just happened.
  package func newestEvent(_ kind: String, about subject: String) throws(EngineError) -> JournalRecord? {
    try read("read the journal", subject: subject) { database in
      let statement = try database.cachedStatement(
        sql: """
          SELECT number, time, kind, subject, attributes FROM events WHERE subject = ? AND kind = ?
          ORDER BY number DESC LIMIT 1
          """)
      return try Row.fetchOne(statement, arguments: [subject, kind]).map(record)
    }
  }

  /// Inserts events in the transaction of what they tell of.
  ///
  /// - Returns: what the bell is to tell of once that is committed.
  func insert(_ events: [JournalEvent], in database: Database) throws -> [JournalRecord] {
    guard !events.isEmpty else { return [] }
    let statement = try database.cachedStatement(
      sql: "INSERT INTO events (time, kind, subject, attributes) VALUES (?, ?, ?, ?)")
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return try events.map { event in
      let attributes = String(decoding: try encoder.encode(event.attributes), as: UTF8.self)
      let time = Timestamp.now
      try statement.execute(arguments: [time, event.kind, event.subject, attributes])
      let number = database.lastInsertedRowID
      return JournalRecord(
        cursor: Cursor(epoch: Epoch.of(number, epochs), number: number), time: time, event: event)
    }
  }

  /// The number of the newest event. The table's own sequence: also right when the newest rows were dropped.
  private static func end(in database: Database) throws -> Int64 {
    let statement = try database.cachedStatement(sql: "SELECT seq FROM sqlite_sequence WHERE name = 'events'")
    return try Int64.fetchOne(statement) ?? 0
  }

  /// Where to read on after a cursor, and whether a power cut took events that it had seen.
  private func resume(_ cursor: Cursor) -> (after: Int64, hasGap: Bool) {
    guard let next = epochs.first(where: { $0.epoch > cursor.epoch }), cursor.number >= next.first else {
      return (cursor.number, false)
    }
    return (next.first - 1, cursor != .start)
  }

  private func record(_ row: Row) throws -> JournalRecord {
    let number: Int64 = try row.value(0)
    let attributes = try row.checked {
      try JSONDecoder().decode([String: JournalValue].self, from: Data((row.value(4) as String).utf8))
    }
    return JournalRecord(
      cursor: Cursor(epoch: Epoch.of(number, epochs), number: number), time: try row.value(1),
      event: JournalEvent(kind: try row.value(2), subject: try row.value(3), attributes: attributes))
  }
}
