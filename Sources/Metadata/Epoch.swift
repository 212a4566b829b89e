internal import Foundation
internal import GRDB

/// A start of the machine, as the journal counts them: the number of its first event.
struct Epoch {
  var epoch: Int64
  var first: Int64

  static func all(in database: Database) throws -> [Epoch] {
    let statement = try database.cachedStatement(sql: "SELECT epoch, firstNumber FROM epochs ORDER BY epoch")
    return try Row.fetchAll(statement).map { try Epoch(epoch: $0.value(0), first: $0.value(1)) }
  }

  /// The epoch that an event's number belongs to.
  static func of(_ number: Int64, _ epochs: [Epoch]) -> Int64 {
    (epochs.last { $0.first <= max(number, 1) } ?? epochs.first)?.epoch ?? 0
  }

  /// Begins an epoch when the machine was started since the last one began. Synced, so that no event of it can
  /// outlive it.
  static func begin(bootID: String, in database: Database) throws {
    let current = try String.fetchOne(
      database, sql: "SELECT bootID FROM epochs ORDER BY epoch DESC LIMIT 1")
    guard current != bootID else { return }
    try database.execute(sql: "PRAGMA synchronous = FULL")
    defer { try? database.execute(sql: "PRAGMA synchronous = NORMAL") }
    try database.inTransaction(.immediate) {
      // Another service may have been first.
      try database.execute(
        sql: """
          INSERT INTO epochs (epoch, bootID, firstNumber)
          SELECT ifnull((SELECT max(epoch) FROM epochs), 0) + 1, ?1,
            ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0) + 1
          WHERE ifnull((SELECT bootID FROM epochs ORDER BY epoch DESC LIMIT 1), '') <> ?1
          """, arguments: [bootID])
      try database.execute(
        sql: "DELETE FROM events WHERE number <= (SELECT max(number) FROM events) - ?",
        arguments: [MetadataStore.keptEvents])
      return .commit
    }
  }
}
