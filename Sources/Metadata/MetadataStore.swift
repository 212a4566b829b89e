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
  static let busyTimeout = 60.0

  // In the order of their closing: the last one copies the write-ahead log into the database, so it must be able to write.
  private let reader: DatabaseQueue
  let writer: DatabaseQueue
  /// Those of this process that write or wait for that.
  let writers = Atomic(0)
  /// Transactions since the last checkpoint by this process.
  let commits = Atomic(0)
  /// All there are; a later one begins with the machine's next start.
  let epochs: [Epoch]
  let bell: Bell
  let path: FilePath
  let busyTimeout: Double

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
}
