package import EngineErrors
internal import LinuxSystem

extension Journal {
  /// A stream of wake-ups: one whenever events may have been added, by any process, since the last was taken.
  ///
  /// It ends with the journal. The wake-ups are coalesced and can be spurious.
  ///
  /// - Throws: an error with a hint when the kernel has no inotify instance left for this user.
  package func changes() throws(EngineError) -> AsyncStream<Void> {
    do {
      return try changeSignal.subscribe()
    } catch {
      var failure = EngineError("watch the journal", error, subject: directory.path.string)
      if error.errno == .tooManyOpenFiles || error.errno == .noSpace {
        failure.hint = "raise fs.inotify.max_user_instances and fs.inotify.max_user_watches (sysctl)"
      }
      throw failure
    }
  }

  /// All events after `cursor` (from the oldest kept, where nil), then all that come, with no hole between.
  ///
  /// Where events are missing there is one record of kind `JournalRecord.gapKind` in their place. It is
  /// pulled: a follower that does not ask for more holds its position and at most 64 KiB of records. The
  /// sequence ends when its task is cancelled or the journal is closed, and throws when reading fails.
  package func follow(after cursor: Cursor?) -> JournalFollow {
    JournalFollow(journal: self, cursor: cursor)
  }
}

/// The events of `Journal.follow`; each iterator starts anew at the cursor.
package struct JournalFollow: AsyncSequence, Sendable {
  let journal: Journal
  let cursor: Cursor?

  package func makeAsyncIterator() -> AsyncIterator {
    AsyncIterator(journal: journal, reader: JournalReader(journal.directory, after: cursor))
  }

  package struct AsyncIterator: AsyncIteratorProtocol {
    private static let batchLimit = 256

    private let journal: Journal
    private var reader: JournalReader
    private var records: [JournalRecord] = []
    private var used = 0
    private var isLive = false
    private var changes: AsyncStream<Void>.Iterator?

    init(journal: Journal, reader: JournalReader) {
      self.journal = journal
      self.reader = reader
    }

    package mutating func next() async throws -> JournalRecord? {
      while used == records.count {
        if Task.isCancelled { return nil }
        // Subscribed before the first read: what is appended after a read that finds nothing wakes it.
        if changes == nil { changes = try journal.changes().makeAsyncIterator() }
        let before = reader.cursor
        let batch = try await read()
        (records, used) = (batch.records, 0)
        if batch.gap { records.insert(gap(before: batch.start, after: before), at: 0) }
        if records.isEmpty {
          isLive = true
          guard await changes?.next() != nil else { return nil }
        }
      }
      defer { used += 1 }
      return records[used]
    }

    /// History can come from the disk, so it is read on a thread that may wait; the newest records are still
    /// in memory.
    private mutating func read() async throws -> JournalBatch {
      let limit = Self.batchLimit
      do {
        if isLive { return try reader.next(limit: limit) }
        let start = reader
        let (batch, moved) = try await onBlockingThread("journal-read") {
          var reader = start
          return (try reader.next(limit: limit), reader)
        }
        reader = moved
        return batch
      } catch {
        throw EngineError("read the journal", wrapping: error, subject: journal.directory.path.string)
      }
    }

    private func gap(before start: Cursor, after cursor: Cursor?) -> JournalRecord {
      var event = JournalEvent(kind: JournalRecord.gapKind, subject: "journal", time: nanosecondsSince1970())
      if let cursor { event.attributes["after"] = .string(cursor.description) }
      return JournalRecord(cursor: start, event: event)
    }
  }
}
