package import EngineErrors
internal import Foundation
internal import GRDB
internal import LinuxSystem

/// Volumes and which containers use them. A volume that is used cannot be removed, and a container cannot be inserted with one
/// that is not there: both are the database's own constraints.
extension MetadataStore {
  /// Adds a volume, which has its directory.
  ///
  /// - Parameter isDurable: whether the row is on the disk when this returns; then its directory has to be there before. Without,
  ///   it is as durable as a container's.
  /// - Throws: `alreadyExists`.
  package func insertVolume(
    _ volume: VolumeRecord, isDurable: Bool, events: [JournalEvent] = []
  ) async throws(EngineError) {
    let labels = Self.encoded(volume.labels)
    try await write(
      "create the volume \(volume.name)", subject: volume.name, isDurable ? .disk : .process
    ) { database in
      do {
        let statement = try database.cachedStatement(
          sql:
            "INSERT INTO volumes (name, isAnonymous, createdAt, unusedSince, labels, session) VALUES (?,?,?,?,?,?)"
        )
        try statement.execute(arguments: [
          volume.name, volume.isAnonymous, volume.createdAt, volume.unusedSince, labels, volume.session,
        ])
      } catch let error as DatabaseError where error.resultCode == .SQLITE_CONSTRAINT {
        throw EngineError(
          .alreadyExists, "there is a volume \(volume.name) already", subject: volume.name,
          hint: "give another name, or remove that volume")
      }
      Failpoint.volumeWritten.pass()
    } events: {
      events
    }
  }

  package func volume(_ name: String) throws(EngineError) -> VolumeRecord? {
    try read("look up the volume \(name)", subject: name) { database in
      let statement = try database.cachedStatement(
        sql: "SELECT \(VolumeRecord.columns) FROM volumes WHERE name = ?")
      return try Row.fetchOne(statement, arguments: [name]).map { try VolumeRecord($0) }
    }
  }

  /// All volumes, or those of some names, by name.
  package func volumes(named names: [String]? = nil) throws(EngineError) -> [UsedVolume] {
    try read("list the volumes") { database in
      let condition = names == nil ? "" : "WHERE name IN (SELECT value FROM json_each(?))"
      let rows = try Row.fetchAll(
        database,
        sql: """
          SELECT \(VolumeRecord.columns), (SELECT json_group_array(containers.name) FROM volumeUses JOIN containers
            ON containers.id = container WHERE volume = volumes.name) FROM volumes \(condition) ORDER BY name
          """, arguments: names.map { [Self.encoded($0)] } ?? [])
      return try rows.map { row in
        let users = try row.checked {
          try JSONDecoder().decode([String].self, from: Data((row.value(6) as String).utf8))
        }
        return UsedVolume(record: try VolumeRecord(row), containers: users.sorted())
      }
    }
  }

  /// The volumes that a container uses, by name.
  package func volumes(of container: String) throws(EngineError) -> [String] {
    try read("look up the volumes of the container \(container)", subject: container) { database in
      let statement = try database.cachedStatement(
        sql: "SELECT volume FROM volumeUses WHERE container = ? ORDER BY volume")
      return try String.fetchAll(statement, arguments: [container])
    }
  }

  /// Removes a volume's row, durably.
  ///
  /// - Returns: false where it is gone.
  /// - Throws: `inUse`, with the names of the containers that use it.
  package func removeVolume(_ name: String, events: [JournalEvent]) async throws(EngineError) -> Bool {
    try await write("remove the volume \(name)", subject: name, .disk) { database in
      let users = try String.fetchAll(
        database,
        sql: """
          SELECT containers.name FROM volumeUses JOIN containers ON containers.id = container
          WHERE volume = ? ORDER BY containers.name
          """, arguments: [name])
      guard users.isEmpty else { throw EngineError(volume: name, isUsedBy: users) }
      try database.execute(sql: "DELETE FROM volumes WHERE name = ?", arguments: [name])
      return database.changesCount == 1
    } eventsFor: {
      $0 ? events : []
    }
  }

  /// Removes the rows of volumes whose directories are not there, and which no container uses (any more). Blocks: for the time before the
  /// store is used.
  package func forgetVolumes(_ names: [String], events: [JournalEvent]) throws(EngineError) {
    if names.isEmpty { return }
    try writeBlocking("remove volumes that are not whole", events: events) { database in
      for name in names {
        try database.execute(sql: "DELETE FROM volumes WHERE name = ?", arguments: [name])
      }
    }
  }

  /// Says which volumes a container uses; part of its insertion.
  static func insertUses(_ volumes: Set<String>, of container: String, in database: Database) throws {
    for volume in volumes.sorted() {
      do {
        try database.cachedStatement(sql: "INSERT INTO volumeUses (volume, container) VALUES (?, ?)")
          .execute(arguments: [volume, container])
      } catch let error as DatabaseError where error.extendedResultCode == .SQLITE_CONSTRAINT_FOREIGNKEY {
        throw EngineError(
          .conflict, "the volume \(volume) was removed meanwhile", subject: volume, hint: "try again")
      }
    }
  }

  /// Removes the anonymous ones among the volumes that nothing uses any more; part of the removal of the container that did.
  static func removeUnused(among volumes: [String], in database: Database) throws -> [String] {
    var removed: [String] = []
    for volume in volumes {
      try database.cachedStatement(
        sql: """
          DELETE FROM volumes WHERE name = ? AND isAnonymous
            AND NOT EXISTS (SELECT 1 FROM volumeUses WHERE volume = volumes.name)
          """
      ).execute(arguments: [volume])
      if database.changesCount == 1 { removed.append(volume) }
    }
    return removed
  }

  private static func encoded(_ value: some Encodable) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return (try? encoder.encode(value)).map { String(decoding: $0, as: UTF8.self) } ?? "null"
  }
}

extension EngineError {
  fileprivate init(volume: String, isUsedBy users: [String]) {
    let names =
      users.prefix(5).joined(separator: ", ") + (users.count > 5 ? " and \(users.count - 5) more" : "")
    self.init(
      .inUse, "volume \(volume) is in use by \(users.count == 1 ? "container" : "containers") \(names)",
      subject: volume, causes: users.count > 5 ? users : [],
      hint: "remove \(users.count == 1 ? "the container" : "the containers") first")
  }
}

extension VolumeRecord {
  static let columns = "name, isAnonymous, createdAt, unusedSince, labels, session"

  init(_ row: Row) throws {
    try self.init(
      name: row.value(0), isAnonymous: row.value(1), createdAt: row.value(2),
      labels: row.checked {
        try JSONDecoder().decode([String: String].self, from: Data((row.value(4) as String).utf8))
      }, session: row.optional(5))
    unusedSince = try row.value(3)
  }
}
