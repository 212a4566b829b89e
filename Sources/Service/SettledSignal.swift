import Synchronization

/// Tells any number of waiters, once, that something is done. Waiting ends early when the waiter is cancelled.
final class SettledSignal: Sendable {
  private struct State {
    var isDone = false
    var nextWaiter = 0
    var waiters: [Int: CheckedContinuation<Void, Never>] = [:]
  }
  private let state = Mutex(State())

  func signal() {
    let waiters = state.withLock { state in
      state.isDone = true
      defer { state.waiters = [:] }
      return state.waiters.values.map(\.self)
    }
    for waiter in waiters { waiter.resume() }
  }

  /// - Throws: `CancellationError` when the waiting task is cancelled first.
  func wait() async throws {
    let id = state.withLock { state in
      defer { state.nextWaiter += 1 }
      return state.nextWaiter
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isOver = state.withLock { state in
          if state.isDone || Task.isCancelled { return true }
          state.waiters[id] = continuation
          return false
        }
        if isOver { continuation.resume() }
      }
    } onCancel: {
      state.withLock { $0.waiters.removeValue(forKey: id) }?.resume()
    }
    try Task.checkCancellation()
  }
}
