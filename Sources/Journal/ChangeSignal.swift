internal import LinuxSystem
internal import Synchronization
internal import SystemPackage

/// Wakes readers when any process has changed the journal.
///
/// One inotify watch and one thread, from the first subscription on, serve all readers of this process.
final class ChangeSignal: Sendable {
  private struct State {
    var watch: DirectoryWatch?
    var isStopped = false
    var lastID = 0
    var readers: [Int: AsyncStream<Void>.Continuation] = [:]
  }

  private let directory: FilePath
  private let state = Mutex(State())

  init(_ directory: FilePath) { self.directory = directory }

  /// A stream that has an element whenever there was a change after the previous element was taken.
  ///
  /// Changes from this call on count: who subscribes, then reads, misses nothing.
  func subscribe() throws(SystemError) -> AsyncStream<Void> {
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

  func stop() {
    let (watch, readers) = state.withLock { state in
      defer { (state.isStopped, state.readers, state.watch) = (true, [:], nil) }
      return (state.watch, state.readers)
    }
    watch?.cancel()
    for reader in readers.values { reader.finish() }
  }

  private func follow(_ watch: DirectoryWatch) {
    Task.detached { [weak self] in
      _ = try? await onBlockingThread("journal-watch") { [weak self] in
        while try watch.wait() { self?.wakeAll() }
      }
      // Cancelled already, or no thread could be had.
      self?.stop()
    }
  }

  private func wakeAll() {
    for reader in state.withLock({ Array($0.readers.values) }) { reader.yield() }
  }
}
