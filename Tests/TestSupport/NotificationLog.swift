package import RPCModel
import Synchronization
import Testing

/// What a service has sent besides responses, and a way to wait for more of it.
package final class NotificationLog: Sendable {
  private struct Waiter {
    var accepts: @Sendable ([ServerNotification]) -> Bool
    var continuation: CheckedContinuation<Void, Never>
  }
  private struct State {
    var all: [ServerNotification] = []
    var waiters: [Waiter] = []
    var isOver = false
  }
  private let state = Mutex(State())

  func add(_ notification: ServerNotification) {
    let ready = state.withLock { state in
      state.all.append(notification)
      let ready = state.waiters.filter { $0.accepts(state.all) }
      state.waiters.removeAll { $0.accepts(state.all) }
      return ready
    }
    for waiter in ready { waiter.continuation.resume() }
  }

  /// Nothing more comes: the service has ended. Nobody waits any longer.
  func finish() {
    let waiters = state.withLock { state in
      state.isOver = true
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter.continuation.resume() }
  }

  package var all: [ServerNotification] { state.withLock { $0.all } }

  package var events: [EventOccurredNotification] {
    all.compactMap { if case .eventOccurred(let event) = $0 { event } else { nil } }
  }

  package var tasks: [TaskStartedNotification] {
    all.compactMap { if case .taskStarted(let task) = $0 { task } else { nil } }
  }

  /// Waits until what has come satisfies the condition, or until nothing more comes, which is a failure of its own then.
  package func wait(until accepts: @escaping @Sendable ([ServerNotification]) -> Bool) async {
    await withCheckedContinuation { continuation in
      let isReady = state.withLock { state in
        if state.isOver || accepts(state.all) { return true }
        state.waiters.append(Waiter(accepts: accepts, continuation: continuation))
        return false
      }
      if isReady { continuation.resume() }
    }
    if !accepts(all) { Issue.record("the service has ended, and what is waited for has not come") }
  }

  /// Waits for an event of a kind.
  package func event(_ kind: String, subject: String? = nil) async -> EventOccurredNotification? {
    func find(_ all: [ServerNotification]) -> EventOccurredNotification? {
      for case .eventOccurred(let event) in all
      where event.kind == kind && (subject == nil || event.subject == subject) {
        return event
      }
      return nil
    }
    await wait { all in
      all.contains {
        if case .eventOccurred(let event) = $0 {
          event.kind == kind && (subject == nil || event.subject == subject)
        } else {
          false
        }
      }
    }
    return find(all)
  }
}
