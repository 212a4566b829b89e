internal import LinuxSystem
internal import Synchronization
internal import SystemPackage

/// Wakes the followers of the journal in all processes when one has committed events: a file of one byte that is
/// written anew, and watched by inotify.
///
/// One watch and one thread, from the first listener on, serve all of this process.
final class Bell: Sendable {
  private struct State {
    var watch: DirectoryWatch?
    var isStopped = false
    var lastID = 0
    var readers: [Int: AsyncStream<Void>.Continuation] = [:]
  }

  private let directory: FilePath
  private let file: FileDescriptor
  private let state = Mutex(State())

  /// - Parameter directory: for the bell alone; made when it is missing.
  init(_ directory: FilePath) throws {
    self.directory = directory
    try makeDirectories(directory, mode: 0o700)
    file = try FileDescriptor.open(
      directory.appending("bell"), .writeOnly, options: [.create, .closeOnExec, .noFollow],
      permissions: [.ownerReadWrite])
  }

  deinit {
    stop()
    try? file.close()
  }

  /// Wakes all listeners. One that cannot be rung is noticed with the next.
  func ring() { _ = try? file.writeAll(toAbsoluteOffset: 0, [0]) }

  /// A stream that has an element whenever there was a change after the previous element was taken.
  ///
  /// Changes from this call on count: who subscribes, then reads, misses nothing.
  func listen() throws(SystemError) -> AsyncStream<Void> {
    let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    let (id, started) = try state.withLock { state throws(SystemError) in
      var started: DirectoryWatch?
      if state.watch == nil, !state.isStopped {
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

  private func stop() {
    let (watch, readers) = state.withLock { state in
      defer { (state.isStopped, state.readers, state.watch) = (true, [:], nil) }
      return (state.watch, state.readers)
    }
    watch?.cancel()
    for reader in readers.values { reader.finish() }
  }

  private func follow(_ watch: DirectoryWatch) {
    Task.detached { [weak self] in
      _ = try? await onBlockingThread("bell") { [weak self] in
        while try watch.wait(), self?.hasName ?? true { self?.wakeAll() }
      }
      // The watch ended by itself, the bell is no longer the one that others ring, or no thread could be had.
      self?.stop()
    }
  }

  /// A removed file that is still open keeps its directory's inode, and with it a watch that tells of nothing more.
  private var hasName: Bool { (try? file.status().linkCount) != 0 }

  private func wakeAll() {
    for reader in state.withLock({ Array($0.readers.values) }) { reader.yield() }
  }
}
