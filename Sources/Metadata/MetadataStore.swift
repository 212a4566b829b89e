package import EngineErrors
internal import Foundation
internal import GRDB
internal import Synchronization
package import SystemPackage

/// The database of one store: which images, names and containers there are, and the journal of what changed. Any number of processes use it
/// at once.
///
/// Each method that changes something is one transaction. Writers take turns (`BEGIN IMMEDIATE`) and wait for each other
/// up to `busyTimeout`, on the database's own dispatch queue; state changes are compare-and-set, so of two services that
/// race one learns that it lost. A cancelled task gets `cancelled`; its transaction then has been rolled back or was
/// never begun. What need not be on the disk, and for which nobody has to be waited for, is written where it is called: it
/// takes less than going to the queue and back.
///
/// Reads have a connection of their own and run where they are called: with a write-ahead log no writer holds them up, and
/// what they take, some ten microseconds, is less than going to another thread and back.
///
/// A change and the events that tell of it are one transaction: no event is lost, none comes twice (invariant 5).
///
/// **Durability.** Rows of images and names are on the disk when the method returns (`synchronous=FULL`), so
/// what they name must be there before. Rows of containers survive `kill -9` of everything but can be taken
/// back by a power cut, which also ends the containers (`NORMAL`).
///
/// **Errors.** `conflict` (retriable) when others kept the database busy, `noSpace`, `corrupt`,
/// `permissionDenied`, and `unsupported` for a database of a later version.
package final class MetadataStore: Sendable {
  /// In seconds.
  static let busyTimeout = 10.0

  // In the order of their closing: the last one copies the write-ahead log into the database, so it must be able to write.
  private let reader: DatabaseQueue
  let writer: DatabaseQueue
  /// Those of this process that write or wait for that.
  private let writers = Atomic(0)
  /// Transactions since the last checkpoint by this process.
  private let commits = Atomic(0)
  /// All there are; a later one begins with the machine's next start.
  let epochs: [Epoch]
  let bell: Bell
  private let path: FilePath
  private let busyTimeout: Double

  /// Opens the database, made and brought to this program's version where needed.
  package convenience init(path: FilePath) throws(EngineError) {
    try self.init(path: path, busyTimeout: Self.busyTimeout)
  }

  init(path: FilePath, busyTimeout: Double) throws(EngineError) {
    self.path = path
    self.busyTimeout = busyTimeout
    do {
      // SQLite gives the files beside it the same mode.
      try FileDescriptor.open(
        path, .readWrite, options: [.create, .closeOnExec, .noFollow], permissions: [.ownerReadWrite]
      ).close()
      var configuration = Configuration()
      configuration.label = "metadata"
      configuration.journalMode = .wal
      configuration.busyMode = .timeout(busyTimeout)
      configuration.foreignKeysEnabled = true
      configuration.prepareDatabase { database in
        // Checkpoints wait for the disk: `checkpointIfDue` has them done on the queue.
        try database.execute(
          sql: "PRAGMA synchronous = NORMAL; PRAGMA cache_size = -512; PRAGMA wal_autocheckpoint = 0")
      }
      let opening = configuration
      writer = try Self.untilFree(busyTimeout) {
        try DatabaseQueue(path: path.string, configuration: opening)
      }
      let bootID = try String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)
      epochs = try Self.untilFree(busyTimeout) { [writer] in
        try writer.inDatabase { database in
          try Schema.prepare(database)
          try Epoch.begin(bootID: bootID, in: database)
          return try Epoch.all(in: database)
        }
      }
      configuration.readonly = true
      // Only what is read is kept: a list of ten thousand images is read from memory the second time.
      configuration.prepareDatabase { try $0.execute(sql: "PRAGMA cache_size = -4096") }
      reader = try DatabaseQueue(path: path.string, configuration: configuration)
      bell = try Bell(path.removingLastComponent().appending("journal"))
    } catch {
      throw EngineError("open the store's metadata", database: error, subject: path.string)
    }
  }

  /// Tries again while another process makes the database, or closes it as the last one: SQLite then says that it is locked
  /// without waiting, whatever its timeout (sqlite.org/wal.html, "Sometimes Queries Return SQLITE_BUSY In WAL Mode").
  private static func untilFree<Result>(_ seconds: Double, _ body: () throws -> Result) throws -> Result {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while true {
      do { return try body() } catch {
        guard let error = error as? DatabaseError, error.resultCode == .SQLITE_BUSY,
          ContinuousClock.now < deadline
        else { throw error }
        usleep(5_000)
      }
    }
  }

  /// Runs `body`, which reads with one statement, or needs no more than each of them to be true on its own.
  ///
  /// Without a transaction, which would double the time.
  func read<T>(
    _ operation: String, subject: String? = nil, _ body: (Database) throws -> T
  ) throws(EngineError) -> T {
    do {
      return try reader.unsafeRead(body)
    } catch {
      throw EngineError(operation, database: error, subject: subject)
    }
  }

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
