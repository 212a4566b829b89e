package import RPCModel
import Synchronization
package import Testing

/// What a service has sent besides responses, and a way to wait for more of it.
package final class NotificationLog: Sendable {
  private struct Waiter {
    var accepts: @Sendable ([ServerNotification]) -> Bool
    var continuation: CheckedContinuation<Bool, Never>
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
    for waiter in ready { waiter.continuation.resume(returning: true) }
  }

  /// Nothing more comes, or nobody has the patience for it: whoever waits, waits no longer.
  func finish() {
    let waiters = state.withLock { state in
      state.isOver = true
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter.continuation.resume(returning: false) }
  }

  package var all: [ServerNotification] { state.withLock { $0.all } }

  package var events: [EventOccurredNotification] {
    all.compactMap { if case .eventOccurred(let event) = $0 { event } else { nil } }
  }

  package var tasks: [TaskStartedNotification] {
    all.compactMap { if case .taskStarted(let task) = $0 { task } else { nil } }
  }

  /// Waits until what has come satisfies the condition; records an issue where it never does.
  package func wait(
    for what: String = "notifications", _ place: SourceLocation = #_sourceLocation,
    until accepts: @escaping @Sendable ([ServerNotification]) -> Bool
  ) async {
    let hasCome = try? await withPatience(Patience.wait) { await self.hasCome(accepts) }
    guard hasCome != true else { return }
    // The next wait of this test would be in vain as well.
    finish()
    recordVainWait(for: what, instead: "\(all.suffix(20))", at: place)
  }

  private func hasCome(_ accepts: @escaping @Sendable ([ServerNotification]) -> Bool) async -> Bool {
    await withCheckedContinuation { continuation in
      let isReady: Bool? = state.withLock { state in
        if accepts(state.all) { return true }
        if state.isOver { return false }
        state.waiters.append(Waiter(accepts: accepts, continuation: continuation))
        return nil
      }
      if let isReady { continuation.resume(returning: isReady) }
    }
  }

  /// Waits for an event of a kind; nil, with an issue recorded, where it never comes.
  package func event(_ kind: String, subject: String? = nil, _ place: SourceLocation = #_sourceLocation) async
    -> EventOccurredNotification?
  {
    @Sendable func find(_ all: [ServerNotification]) -> EventOccurredNotification? {
      for case .eventOccurred(let event) in all
      where event.kind == kind && (subject == nil || event.subject == subject) {
        return event
      }
      return nil
    }
    await wait(for: "\(kind) of \(subject ?? "anything")", place) { find($0) != nil }
    return find(all)
  }
}
