import RPCModel
import RPCTransport

extension Session {
  /// Takes a notification at once, on the reading thread: nothing that waits holds it up.
  func take(_ notification: ClientNotification) {
    if case .exit = notification { return leave() }
    guard state.withLock({ $0.lifecycle.takesNotifications }) else { return }
    switch notification {
    case .cancelRequest(let params):
      let task = state.withLock { state in
        state.running[params.id]?.isCancelled = true
        return state.running[params.id]?.task
      }
      task?.cancel()
    case .setTrace(let params): state.withLock { $0.trace = params.value }
    case .streamData(let data):
      guard let receiver = state.withLock({ $0.receivers[data.stream] }) else { return }
      if let problem = receiver.receive(data) {
        notify(WindowLogMessageNotification(type: 1, message: problem))
        _ = state.withLock { $0.receivers.removeValue(forKey: data.stream) }
      }
    case .streamClosed(let closed):
      state.withLock { $0.receivers.removeValue(forKey: closed.stream) }?.end(closed.error)
    case .streamCredit(let credit):
      state.withLock { $0.senders[credit.stream] }?.grant(credit.bytes)
    case .initialized, .exit: break
    }
  }
}
