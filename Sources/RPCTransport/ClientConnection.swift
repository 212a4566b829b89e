import Foundation
public import RPCModel
import Synchronization

/// A client's side of a session.
public final class ClientConnection: Sendable {
  private typealias Responder = @Sendable (Result<[UInt8], RPCError>) -> Void

  private struct State {
    var nextID = 1
    var nextStream = 1
    var pending: [RequestID: Responder] = [:]
    var streams: [StreamID: StreamReceiver] = [:]
    var senders: [StreamID: StreamSender] = [:]
    var isClosed = false
  }
  private let state = Mutex(State())
  public let channel: MessageChannel
  private let onNotification: @Sendable (ServerNotification) -> Void
  private let onEnd: @Sendable () -> Void

  /// Takes over the channel and starts it.
  ///
  /// - Parameters:
  ///   - onNotification: takes everything the service sends besides responses and streams, on the reading
  ///     thread: in order, also with respect to responses, and while it works nothing more is read.
  ///   - onEnd: is called once when the service has ended, or its side of the channel has; `isClosed` is true by then.
  public init(
    _ channel: MessageChannel, onNotification: @escaping @Sendable (ServerNotification) -> Void = { _ in },
    onEnd: @escaping @Sendable () -> Void = {}
  ) {
    self.channel = channel
    self.onEnd = onEnd
    self.onNotification = onNotification
    channel.start { [weak self] event in
      self?.receive(event)
    } onEnd: { [weak self] in
      self?.end()
    }
  }

  /// Sends a request and waits for its one answer.
  ///
  /// When the calling task is cancelled the service is asked to cancel, and the answer is awaited all the same.
  /// - Throws: `RPCError`; with the kind `unreachable` when the service ends without an answer.
  ///
  /// - Parameter id: from `newRequestID`, for a request that others name while it is under way.
  public func send<Request: RPCRequest>(
    _ type: Request.Type, _ params: Request.Params, id: RequestID? = nil
  ) async throws
    -> Request.Result
  {
    let id = id ?? newRequestID()
    let answer: Result<[UInt8], RPCError> = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isOpen = state.withLock { state in
          guard !state.isClosed else { return false }
          state.pending[id] = { continuation.resume(returning: $0) }
          return true
        }
        guard isOpen else { return continuation.resume(returning: .failure(Self.closed)) }
        channel.send(RequestMessage<Request>(id: id, params: params))
        if Task.isCancelled { cancel(id) }
      }
    } onCancel: {
      cancel(id)
    }
    let frame = try answer.get()
    do {
      return try JSONDecoder().decode(ResultMessage<Request.Result>.self, from: Data(frame)).result
    } catch let error as DecodingError {
      throw RPCError(
        code: ErrorCode.internalError,
        message: "cannot read the result of \(Request.method.rawValue): \(error.explanation)")
    }
  }

  /// A name for one request of this session.
  public func newRequestID() -> RequestID {
    state.withLock { state in
      defer { state.nextID += 1 }
      return RequestID.integer(state.nextID)
    }
  }

  private func cancel(_ id: RequestID) {
    guard state.withLock({ $0.pending[id] != nil }) else { return }
    notifyService(CancelRequestNotification(id: id))
  }

  /// Sends a notification.
  public func notifyService(_ notification: some RPCNotification) {
    channel.send(NotificationMessage(notification))
  }

  /// A new stream to receive, to be named in a request with `credit` as its initial credit.
  public func receiver(credit: Int) -> StreamReceiver {
    state.withLock { state in
      let id = "s\(state.nextStream)"
      state.nextStream += 1
      let receiver = StreamReceiver(id, granted: credit, over: channel)
      state.streams[id] = receiver
      return receiver
    }
  }

  /// A new stream to send, to be named in a request; the service grants its credit. Whoever asks for one ends it.
  public func sender() -> StreamSender {
    state.withLock { state in
      let id = "s\(state.nextStream)"
      state.nextStream += 1
      let sender = StreamSender(id, credit: 0, over: channel)
      state.senders[id] = sender
      return sender
    }
  }

  /// Ends a stream whose request is over: what was not sent is dropped, and a `send` that waits for credit returns false.
  public func end(_ sender: StreamSender) {
    _ = state.withLock { $0.senders.removeValue(forKey: sender.id) }
    sender.abandon()
  }

  /// Whether the service has ended, or ended its side.
  public var isClosed: Bool { state.withLock { $0.isClosed } }

  /// Sends nothing more; the service then sees the end of its input.
  public func close() { channel.close() }

  private func receive(_ event: FrameDecoder.Event) {
    guard case .frame(let bytes) = event,
      let message = try? JSONDecoder().decode(MessageToClient.self, from: Data(bytes))
    else { return }
    switch message {
    case .result(let id): take(id)?(.success(bytes))
    case .failure(let id?, let error): take(id)?(.failure(error))
    case .failure(nil, let error):
      // It could not read a message, and does not know whose it was; of those that wait one has no other answer to come.
      let responders = state.withLock { state in
        defer { state.pending = [:] }
        return state.pending.values.map(\.self)
      }
      for responder in responders { responder(.failure(error)) }
      onNotification(.windowLogMessage(.init(type: 1, message: error.message)))
    case .notification(let notification): receive(notification)
    case .ignored: break
    }
  }

  private func receive(_ notification: ServerNotification) {
    switch notification {
    case .streamData(let data):
      if let receiver = state.withLock({ $0.streams[data.stream] }) { _ = receiver.receive(data) }
    case .streamClosed(let closed):
      state.withLock { $0.streams.removeValue(forKey: closed.stream) }?.end(closed.error)
    case .streamCredit(let credit):
      state.withLock { $0.senders[credit.stream] }?.grant(credit.bytes)
    default: onNotification(notification)
    }
  }

  private func take(_ id: RequestID) -> Responder? {
    state.withLock { $0.pending.removeValue(forKey: id) }
  }

  private func end() {
    let (pending, streams, senders) = state.withLock { state in
      state.isClosed = true
      defer {
        state.pending = [:]
        state.streams = [:]
        state.senders = [:]
      }
      return (
        state.pending.values.map(\.self), state.streams.values.map(\.self), state.senders.values.map(\.self)
      )
    }
    for responder in pending { responder(.failure(Self.closed)) }
    for stream in streams { stream.end(nil) }
    for sender in senders { sender.abandon() }
    channel.close()
    onEnd()
  }

  private static var closed: RPCError {
    RPCError(
      code: ErrorCode.internalError, message: "the service has ended",
      data: ErrorData(
        kind: .unreachable, retriable: true, causes: [],
        hint: "look what it said on its standard error, and start it again"))
  }
}
