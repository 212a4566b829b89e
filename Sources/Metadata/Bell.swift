internal import LinuxSystem
internal import Synchronization
internal import SystemPackage

/// Tells the followers of the journal what has been committed. Those of this process get the records themselves; the
/// services of others are woken by a file of one byte that is written anew, and watched by inotify, when there are any.
///
/// One watch and one thread, from the first listener on, serve all of this process.
final class Bell: Sendable {
  /// What a follower is told.
  enum News: Sendable {
    /// By this process; in the order of their numbers, which are not those of all that was committed meanwhile.
    case committed([JournalRecord])
    /// There may be more than this follower was told of.
    case more
  }

  private struct State {
    var watch: DirectoryWatch?
    var isStopped = false
    var lastID = 0
    var readers: [Int: AsyncStream<News>.Continuation] = [:]
  }

  private let directory: FilePath
  private let file: FileDescriptor
  private let state = Mutex(State())

  /// - Parameter directory: for the bell alone; made when it is missing.
  init(_ directory: FilePath) throws {
    self.directory = directory
    try makeDirectories(directory, mode: 0o700)
    file = try FileDescriptor.open(
      directory.appending("bell"), .readWrite, options: [.create, .closeOnExec, .noFollow],
      permissions: [.ownerReadWrite])
  }

  deinit {
    stop()
    try? file.close()
  }

  /// Tells all listeners of what was committed. A process that cannot be rung notices it with the next.
  func ring(_ records: [JournalRecord]) {
    if records.isEmpty { return }
    tell(.committed(records))
    // Who begins to listen after this question reads after the commit.
    if HeldFile.isHeldElsewhere(file) { _ = try? file.writeAll(toAbsoluteOffset: 0, [0]) }
  }

  /// A stream that tells of what is committed from this call on: who subscribes, then reads, misses nothing.
  ///
  /// A listener that is behind is told that there is more, and no longer what it is.
  func listen() throws(SystemError) -> AsyncStream<News> {
    let (stream, continuation) = AsyncStream.makeStream(of: News.self, bufferingPolicy: .bufferingNewest(16))
    let (id, started) = try state.withLock { state throws(SystemError) in
      var started: DirectoryWatch?
      if state.watch == nil, !state.isStopped {
        try HeldFile.hold(file)
        started = try DirectoryWatch(directory)
        state.watch = started
      }
      state.lastID += 1
      if state.isStopped { continuation.finish() } else { state.readers[state.lastID] = continuation }
      return (state.lastID, started)
    }
    // `state` is not held here: a stream that is finished already calls this at once.
    continuation.onTermination = { [weak self] _ in
      guard let self else { return }
      _ = state.withLock { $0.readers.removeValue(forKey: id) }
    }
    if let started { follow(started) }
    return stream
  }

  private func stop(forGood: Bool = true) {
    let (watch, readers) = state.withLock { state in
      defer { (state.isStopped, state.readers, state.watch) = (state.isStopped || forGood, [:], nil) }
      return (state.watch, state.readers)
    }
    watch?.cancel()
    for reader in readers.values { reader.finish() }
  }

  private func follow(_ watch: DirectoryWatch) {
    Task.detached { [weak self] in
      _ = try? await onBlockingThread("bell") { [weak self] in
        while try watch.wait(), self?.hasName ?? true { self?.tell(.more) }
      }
      guard let self else { return }
      // The bell is no longer the one that others ring; or the watch ended by itself, or no thread could be had, and who
      // listens again begins another one.
      stop(forGood: !hasName)
    }
  }

  /// A removed file that is still open keeps its directory's inode, and with it a watch that tells of nothing more.
  private var hasName: Bool { (try? file.status().linkCount) != 0 }

  private func tell(_ news: News) {
    for reader in state.withLock({ Array($0.readers.values) }) {
      // What was dropped may have been the word that there is more.
      if case .dropped = reader.yield(news) { reader.yield(.more) }
    }
  }
}
