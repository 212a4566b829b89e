package import EngineErrors
internal import Foundation
internal import GRDB
internal import LinuxSystem

extension MetadataStore {
  /// Events that are kept; older ones are dropped when a store is opened.
  static let keptEvents = 1_000_000

  /// Journals an event that goes with no other change.
  package func append(_ event: JournalEvent) async throws(EngineError) {
    try await write("journal \(event.kind)", .process) { _ in
    } events: {
      [event]
    }
  }

  /// Where the journal ends now.
  package func end() async throws(EngineError) -> Cursor {
    try await read("read the journal") { try Self.end(in: $0) }
  }

  /// The events after a cursor, the oldest first.
  ///
  /// - Parameter limit: at most so many.
  /// - Returns: records; the first is a gap where events after the cursor are not known any more. Empty at the end.
  package func events(after cursor: Cursor, limit: Int) async throws(EngineError) -> [JournalRecord] {
    try await read("read the journal") { database in
      let epochs = try Epoch.all(in: database)
      let start = try Self.resume(cursor, epochs, in: database)
      let statement = try database.cachedStatement(
        sql:
          "SELECT number, time, kind, subject, attributes FROM events WHERE number > ? ORDER BY number LIMIT ?"
      )
      let rows = try Row.fetchAll(statement, arguments: [start.after, limit])
      let records = try rows.map { try Self.record($0, epochs) }
      guard start.hasGap else { return records }
      let place = Cursor(epoch: Epoch.of(start.after, epochs), number: start.after)
      let gap = JournalRecord(
        cursor: place, time: records.first?.time ?? Timestamp.now,
        event: JournalEvent(kind: JournalRecord.gapKind, subject: ""))
      return [gap] + records
    }
  }

  /// Inserts events in the transaction of what they tell of.
  static func insert(_ events: [JournalEvent], in database: Database) throws {
    guard !events.isEmpty else { return }
    let statement = try database.cachedStatement(
      sql: "INSERT INTO events (time, kind, subject, attributes) VALUES (?, ?, ?, ?)")
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    for event in events {
      let attributes = String(decoding: try encoder.encode(event.attributes), as: UTF8.self)
      try statement.execute(arguments: [Timestamp.now, event.kind, event.subject, attributes])
    }
  }

  private static func end(in database: Database) throws -> Cursor {
    // The table's own sequence: also right when the newest rows were dropped.
    let number =
      try Int64.fetchOne(database, sql: "SELECT seq FROM sqlite_sequence WHERE name = 'events'") ?? 0
    return Cursor(epoch: Epoch.of(number, try Epoch.all(in: database)), number: number)
  }

  /// Where to read on after a cursor, and whether something between is missing.
  private static func resume(_ cursor: Cursor, _ epochs: [Epoch], in database: Database) throws
    -> (after: Int64, hasGap: Bool)
  {
    var after = cursor.number
    var hasGap = false
    // Numbers of the cursor's epoch that a power cut took.
    if let next = epochs.first(where: { $0.epoch > cursor.epoch }), cursor.number >= next.first {
      after = next.first - 1
      hasGap = cursor != .start
    }
    let end = try Int64.fetchOne(database, sql: "SELECT seq FROM sqlite_sequence WHERE name = 'events'") ?? 0
    if after > end {
      (after, hasGap) = (end, true)
    }
    // Numbers that were dropped for their age.
    if let oldest = try Int64.fetchOne(database, sql: "SELECT min(number) FROM events"), after < oldest - 1 {
      after = oldest - 1
      hasGap = true
    }
    return (after, hasGap)
  }

  private static func record(_ row: Row, _ epochs: [Epoch]) throws -> JournalRecord {
    let number: Int64 = try row.value(0)
    let attributes = try row.checked {
      try JSONDecoder().decode([String: JournalValue].self, from: Data((row.value(4) as String).utf8))
    }
    return JournalRecord(
      cursor: Cursor(epoch: Epoch.of(number, epochs), number: number), time: try row.value(1),
      event: JournalEvent(kind: try row.value(2), subject: try row.value(3), attributes: attributes))
  }
}
