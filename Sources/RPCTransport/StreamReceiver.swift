public import RPCModel
import Synchronization

/// The receiving end of a stream: grants credit as its reader takes the bytes, so that no more than `window` wait.
public final class StreamReceiver: Sendable {
  public let id: StreamID
  /// The stream's bytes; ends with the stream.
  public let chunks: AsyncStream<[UInt8]>
  private let continuation: AsyncStream<[UInt8]>.Continuation
  private let channel: MessageChannel

  private struct State {
    var nextSeq = 0
    var outstanding: Int
    var isEnded = false
    var error: ErrorData?
  }
  private let state: Mutex<State>

  /// - Parameter granted: the credit that the sender has been given with the request.
  public init(_ id: StreamID, granted: Int, over channel: MessageChannel) {
    self.id = id
    self.channel = channel
    state = Mutex(State(outstanding: granted))
    // Bounded by the credit: whatever is in it was granted.
    (chunks, continuation) = AsyncStream.makeStream()
  }

  /// Lets the sender send `bytes` more.
  public func grant(_ bytes: Int) {
    guard bytes > 0 else { return }
    let isOpen = state.withLock { state in
      state.outstanding += bytes
      return !state.isEnded
    }
    if isOpen { channel.send(NotificationMessage(StreamCreditNotification(stream: id, bytes: bytes))) }
  }

  /// Takes a piece off the wire.
  ///
  /// - Returns: why the piece is refused, which ends the stream; nil when it fits.
  public func receive(_ piece: StreamDataNotification) -> String? {
    guard let bytes = StreamCoding.decode(piece.data, piece.encoding) else {
      return refuse("the data of stream \(id) is not \(piece.encoding.rawValue)")
    }
    let problem: String? = state.withLock { state in
      if state.isEnded { return "stream \(id) has ended" }
      if piece.seq != state.nextSeq { return "stream \(id) goes from \(state.nextSeq) to \(piece.seq)" }
      if bytes.count > state.outstanding { return "stream \(id) has sent more than was granted" }
      state.nextSeq += 1
      state.outstanding -= bytes.count
      return nil
    }
    if let problem { return refuse(problem) }
    continuation.yield(bytes)
    return nil
  }

  private func refuse(_ problem: String) -> String {
    end(ErrorData(kind: .invalidArgument, retriable: false, causes: [], message: problem))
    return problem
  }

  /// Ends the stream, because its sender did or because nobody reads on.
  public func end(_ error: ErrorData?) {
    state.withLock { state in
      state.isEnded = true
      state.error = state.error ?? error
    }
    continuation.finish()
  }

  /// Why the stream ended early, if it did.
  public var error: ErrorData? { state.withLock { $0.error } }
}
