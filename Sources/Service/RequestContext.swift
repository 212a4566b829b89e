import Engine
import RPCModel
import RPCTransport
import Synchronization

/// What a handler knows of its request besides the parameters.
struct RequestContext: Sendable {
  let id: RequestID
  let session: Session
  let streams = RequestStreams()
  let settled: SettledSignal
  /// Given when the response is on its way: what is sent then comes after it.
  let answered = SettledSignal()

  /// Lets later requests that look at what this one changes go on, before its answer.
  func settleChanges() { session.settleChanges(of: id, settled) }

  /// Reports tasks to the client, and to LSP's progress where there is a token.
  func reporter(_ token: ProgressToken?) -> TaskReporter {
    TaskReporter(observer: TaskForwarder(session: session, request: id, token: token))
  }
}

/// The output streams that a request has opened: its response comes after their data.
final class RequestStreams: Sendable {
  private let senders = Mutex<[StreamSender]>([])

  func add(_ sender: StreamSender) { senders.withLock { $0.append(sender) } }
  var all: [StreamSender] { senders.withLock { $0 } }
}
