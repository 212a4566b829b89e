internal import EngineErrors
internal import GRDB
internal import Synchronization

/// The one way in which the rows are changed.
extension MetadataStore {
  /// How long a change must last.
  enum Durability {
    /// Survives `kill -9`.
    case process
    /// Survives a power cut.
    case disk
  }

  /// Runs `body` in a write transaction, all or nothing, and journals the events in it.
  func write<T: Sendable>(
    _ operation: String, subject: String? = nil, _ durability: Durability,
    _ body: @escaping @Sendable (Database) throws -> T,
    events: @escaping @Sendable () -> [JournalEvent] = { [] }
  ) async throws(EngineError) -> T {
    try await write(operation, subject: subject, durability, body) { _ in events() }
  }

  /// The same with events that depend on what `body` found.
  ///
  /// - Parameter evenIfCancelled: it is written also by a cancelled task.
  func write<T: Sendable>(
    _ operation: String, subject: String? = nil, _ durability: Durability, evenIfCancelled: Bool = false,
    _ body: @escaping @Sendable (Database) throws -> T,
    eventsFor: @escaping @Sendable (T) -> [JournalEvent]
  ) async throws(EngineError) -> T {
    do {
      if !evenIfCancelled { try Task.checkCancellation() }
      defer { checkpointIfDue() }
      if durability == .process, let written = try writeAtOnce(body, eventsFor) { return written.value }
      writers.add(1, ordering: .relaxed)
      defer { writers.subtract(1, ordering: .relaxed) }
      let onQueue = { @Sendable [self] () async throws -> T in
        try await writer.writeWithoutTransaction { [self] database in
          // SQLite takes this between transactions only; it is the connection's alone.
          if durability == .disk { try database.execute(sql: "PRAGMA synchronous = FULL") }
          defer {
            if durability == .disk { try? database.execute(sql: "PRAGMA synchronous = NORMAL") }
          }
          return try transact(database, body, eventsFor)
        }
      }
      return try await evenIfCancelled ? Task(operation: onQueue).value : onQueue()
    } catch {
      throw EngineError(operation, database: error, subject: subject)
    }
  }

  /// The same for the time before the store is used: on the calling thread, which waits for other writers.
  func writeBlocking(
    _ operation: String, events: [JournalEvent], _ body: (Database) throws -> Void
  ) throws(EngineError) {
    do {
      try writer.writeWithoutTransaction { try transact($0, body) { events } }
    } catch {
      throw EngineError(operation, database: error)
    }
  }

  private struct Written<T> {
    var value: T
  }

  /// Writes on the calling thread.
  ///
  /// - Returns: nil, with nothing done, while another writes, of this process or another.
  private func writeAtOnce<T>(
    _ body: (Database) throws -> T, _ eventsFor: (T) -> [JournalEvent]
  ) throws -> Written<T>? {
    guard writers.compareExchange(expected: 0, desired: 1, ordering: .relaxed).exchanged else { return nil }
    defer { writers.subtract(1, ordering: .relaxed) }
    return try writer.writeWithoutTransaction { database in
      try database.execute(sql: "PRAGMA busy_timeout = 0")
      defer { try? database.execute(sql: "PRAGMA busy_timeout = \(Int(busyTimeout * 1000))") }
      do { return Written(value: try transact(database, body, eventsFor)) } catch let error as DatabaseError
        where error.resultCode == .SQLITE_BUSY
      {
        return nil
      }
    }
  }

  private func transact<T>(
    _ database: Database, _ body: (Database) throws -> T, _ eventsFor: (T) -> [JournalEvent]
  ) throws -> T {
    var result: T?
    var records: [JournalRecord] = []
    try database.inTransaction(.immediate) {
      let value = try body(database)
      result = value
      records = try insert(eventsFor(value), in: database)
      return .commit
    }
    bell.ring(records)
    guard let result else { throw EngineError(.internal, "a transaction has no result") }
    return result
  }

  /// Copies the write-ahead log into the database now and then, in the background: as often as SQLite would by itself,
  /// about every thousand pages.
  private func checkpointIfDue() {
    guard commits.add(1, ordering: .relaxed).newValue % 200 == 0 else { return }
    writers.add(1, ordering: .relaxed)
    writer.asyncWriteWithoutTransaction { [self] database in
      // What cannot be copied while others read stays for the next one.
      _ = try? database.checkpoint(.passive)
      writers.subtract(1, ordering: .relaxed)
    }
  }
}
