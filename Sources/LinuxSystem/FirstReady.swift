internal import Synchronization
internal import SystemPackage

/// One task's wait for the first of several descriptors: resumed once, with all watches taken back.
final class FirstReady: Sendable {
  private struct State {
    var continuation: CheckedContinuation<Void, any Error>?
    var result: Result<Void, any Error>?
    var tokens: [DescriptorWatcher.Token] = []
  }
  private let state = Mutex(State())
  private let watcher: DescriptorWatcher

  init(watcher: DescriptorWatcher) { self.watcher = watcher }

  func begin(
    _ watched: [(FileDescriptor, DescriptorWatcher.Readiness)],
    _ continuation: CheckedContinuation<Void, any Error>
  ) {
    let early = state.withLock { state in
      if state.result == nil { state.continuation = continuation }
      return state.result
    }
    if let early { return continuation.resume(with: early) }
    for (descriptor, readiness) in watched {
      do {
        let token = try watcher.when(descriptor, is: readiness) { self.finish($0) }
        let isOver = state.withLock { state in
          if state.result == nil { state.tokens.append(token) }
          return state.result != nil
        }
        if isOver { return watcher.cancel(token) }
      } catch {
        return finish(.failure(error))
      }
    }
  }

  /// The first call counts; the others, by the watches that it cancels too, do nothing.
  func finish(_ result: Result<Void, any Error>) {
    let (continuation, tokens) = state.withLock { state in
      if state.result == nil { state.result = result }
      defer {
        state.continuation = nil
        state.tokens = []
      }
      return (state.continuation, state.tokens)
    }
    for token in tokens { watcher.cancel(token) }
    continuation?.resume(with: result)
  }
}
