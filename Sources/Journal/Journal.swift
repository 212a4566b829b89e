package import EngineErrors
internal import LinuxSystem
internal import Synchronization
package import SystemPackage

/// The durable event log of one store, written and read by any number of processes at once.
///
/// **Order.** All processes see the same events in the same order, with the same cursors.
///
/// **Durability.** An event is in the kernel when `append` returns, so it survives `kill -9` of every process.
/// `append` does not wait for the disk; `fdatasync` follows within `syncDelay` (100 ms, plus its own time),
/// and `sync` does it at once. So a power cut takes at most the events of the last 100 ms, and those of a
/// process that was itself killed within 100 ms of them: these wait for the next sync of any process on the
/// same segment, or for the kernel's own write-back (by default 30 s).
///
/// **After a crash.** Torn or damaged records are found by their CRC and cut under the lock by the next
/// append; what followed a damaged record in its segment is lost. A cursor that points into what was lost
/// gives a gap, also after new events have been appended: their offsets are never used again.
///
/// **Retention.** Whole segments are dropped, the oldest first (`JournalLimits`); a cursor in one gives a gap.
package final class Journal: Sendable {
  static let lockName = "lock"
  static let syncDelay: Duration = .milliseconds(100)

  let directory: FlatDirectory
  private let lock: AppendFile
  private let tail: Mutex<JournalTail>
  private let isSyncDue = Atomic(false)
  let changeSignal: ChangeSignal

  /// Opens the journal in `directory`, which is made if missing (its parent must exist); reads nothing yet.
  package convenience init(directory: FilePath) throws(EngineError) {
    try self.init(directory: directory, limits: .standard)
  }

  package init(directory: FilePath, limits: JournalLimits) throws(EngineError) {
    do {
      self.directory = try FlatDirectory(directory)
      lock = try AppendFile(directory.appending(Self.lockName), writable: true, create: true)
    } catch {
      throw EngineError("open the journal", wrapping: error, subject: directory.string)
    }
    tail = Mutex(JournalTail(directory: self.directory, limits: limits))
    changeSignal = ChangeSignal(directory)
  }

  deinit { changeSignal.stop() }

  /// Adds one event after all others: one flock(2), one pwrite(2), a few microseconds, no wait for the disk.
  ///
  /// It blocks while another process appends. On an error nothing was added.
  ///
  /// - Returns: the event's cursor, as every reader will see it.
  /// - Throws: `noSpace` on a full disk, `invalidArgument` for an event over 64 KiB.
  @discardableResult
  package func append(_ event: JournalEvent) throws(EngineError) -> Cursor {
    let body = try RecordCoding.body(event)
    do {
      let end = try tail.withLock { tail in
        try lock.withLock(exclusive: true) { try tail.append(body) }
      }
      scheduleSync()
      return Cursor(offset: end)
    } catch {
      throw EngineError(
        "append \(event.kind) to the journal", wrapping: error, subject: directory.path.string)
    }
  }

  /// The next events after `cursor`, or from the oldest kept: at most `limit`, and 64 KiB at a time. None at
  /// the end.
  package func read(after cursor: Cursor?, limit: Int) throws(EngineError) -> JournalBatch {
    var reader = JournalReader(directory, after: cursor)
    do {
      return try reader.next(limit: max(1, limit))
    } catch {
      throw EngineError("read the journal", wrapping: error, subject: directory.path.string)
    }
  }

  /// The place after the last event that any process has appended.
  package var end: Cursor {
    get throws(EngineError) {
      do {
        return Cursor(offset: try JournalReader.end(of: directory, known: tail.withLock { $0.known }))
      } catch {
        throw EngineError("read the journal's end", wrapping: error, subject: directory.path.string)
      }
    }
  }

  /// Waits until all that this process appended is on the disk; for an orderly end of the service.
  package func sync() throws(EngineError) {
    let unsynced = tail.withLock { $0.takeUnsynced() }
    do {
      for file in unsynced.files { try file.syncData() }
      if unsynced.isDirectoryChanged { try directory.sync() }
    } catch {
      throw EngineError("write the journal to the disk", wrapping: error, subject: directory.path.string)
    }
  }

  /// One sync for all that is appended in the next `syncDelay`.
  private func scheduleSync() {
    guard !isSyncDue.exchange(true, ordering: .acquiringAndReleasing) else { return }
    Task.detached(priority: .utility) { [self] in
      try? await Task.sleep(for: Self.syncDelay)
      isSyncDue.store(false, ordering: .releasing)
      // A failure has no one to go to: the events are in the kernel all the same, and `sync` at the end of
      // the service reports what the disk refuses then.
      try? await onBlockingThread("journal-sync") { try self.sync() }
    }
  }
}
