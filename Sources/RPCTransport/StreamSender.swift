public import RPCModel
import Synchronization

/// The sending end of a stream: sends no more than was granted.
public final class StreamSender: Sendable {
  /// Bytes of one message, before encoding.
  private static let chunk = 32 << 10

  public let id: StreamID
  private let channel: MessageChannel

  private struct State {
    var credit: Int
    /// The most credit there ever was: there is as much again when the receiver has taken all.
    var window: Int
    var seq = 0
    /// The beginning of a character whose end has not come yet.
    var held: [UInt8] = []
    var isEnded = false
    var waiter: CheckedContinuation<Void, Never>?
  }
  private let state: Mutex<State>

  public init(_ id: StreamID, credit: Int, over channel: MessageChannel) {
    self.id = id
    self.channel = channel
    state = Mutex(State(credit: credit, window: credit))
  }

  /// Grants the receiver's bytes.
  public func grant(_ bytes: Int) {
    wake { state in
      let (sum, overflow) = state.credit.addingReportingOverflow(bytes)
      state.credit = overflow ? .max : sum
      state.window = max(state.window, state.credit)
    }
  }

  /// Sends bytes as credit allows. One caller at a time.
  ///
  /// - Throws: `CancellationError` when the task is cancelled while it waits.
  /// - Returns: false when the stream or the channel has ended; the bytes are dropped then.
  public func send(_ bytes: [UInt8]) async throws -> Bool {
    var rest = (takeHeld() + bytes)[...]
    let tail = StreamCoding.incompleteTail(rest)
    if tail > 0 {
      hold(Array(rest.suffix(tail)))
      rest = rest.dropLast(tail)
    }
    while !rest.isEmpty {
      guard let granted = try await credit(upTo: min(rest.count, Self.chunk)) else { return false }
      var piece = rest.prefix(granted)
      // A character is not cut, unless the credit is less than one.
      let cut = granted < rest.count ? StreamCoding.incompleteTail(piece) : 0
      if cut > 0, cut < piece.count {
        piece = piece.dropLast(cut)
        grant(cut)
      }
      guard await sendPiece(piece) else { return false }
      rest = rest.dropFirst(piece.count)
    }
    return true
  }

  /// Sends bytes and waits until the receiver has taken all that was sent, which its credit tells: requests overtake streams.
  /// After `patience` it leaves off, and what there was no credit for is not sent. Not beside `send`.
  ///
  /// - Returns: whether all was sent; of an ended stream nothing is.
  public func send(_ bytes: [UInt8], takenWithin patience: Duration) async -> Bool {
    let end = ContinuousClock.now + patience
    let sending = Task { try await send(bytes) }
    let timer = Task {
      try await Task.sleep(until: end)
      sending.cancel()
    }
    let isSent = (try? await sending.value) ?? false
    timer.cancel()
    if isSent { await waitUntilTaken(until: end) }
    return isSent
  }

  private func waitUntilTaken(until end: ContinuousClock.Instant) async {
    let timer = Task {
      try await Task.sleep(until: end)
      wake { _ in }
    }
    defer { timer.cancel() }
    while ContinuousClock.now < end, !Task.isCancelled {
      let isTaken = state.withLock { $0.isEnded || $0.credit >= $0.window }
      if isTaken { return }
      await waitForWord { $0.credit >= $0.window || ContinuousClock.now >= end }
    }
  }

  /// Ends the stream after all that was sent.
  public func close(error: ErrorData? = nil) async {
    let held = takeHeld()
    if !held.isEmpty { _ = await sendPiece(held[...]) }
    guard end() else { return }
    channel.sendAfterBulk(NotificationMessage(StreamClosedNotification(stream: id, error: error)))
  }

  /// Ends the stream at once; what was not sent is dropped.
  public func abandon() {
    guard end() else { return }
    channel.discardBulk(of: [id])
    channel.send(NotificationMessage(StreamClosedNotification(stream: id)))
  }

  private func end() -> Bool {
    var isFirst = false
    wake { state in
      isFirst = !state.isEnded
      state.isEnded = true
    }
    return isFirst
  }

  private func sendPiece(_ bytes: ArraySlice<UInt8>) async -> Bool {
    let (data, encoding) = StreamCoding.encode(bytes)
    let seq = state.withLock { state in
      defer { state.seq += 1 }
      return state.seq
    }
    return await channel.sendBulk(.init(stream: id, seq: seq, data: data, encoding: encoding))
  }

  /// Suspends until `wake` or cancellation, unless what is waited for is there already, or the stream has ended.
  private func waitForWord(unless isThere: (State) -> Bool) async {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let goesOn = state.withLock { state in
          if isThere(state) || state.isEnded || Task.isCancelled { return true }
          state.waiter = continuation
          return false
        }
        if goesOn { continuation.resume() }
      }
    } onCancel: {
      wake { _ in }
    }
  }

  /// Takes some credit, at least one byte; nil when the stream has ended.
  private func credit(upTo wanted: Int) async throws -> Int? {
    while true {
      try Task.checkCancellation()
      let taken: Int? = state.withLock { state in
        if state.isEnded { return nil }
        let taken = min(wanted, state.credit)
        state.credit -= taken
        return taken
      }
      guard let taken else { return nil }
      if taken > 0 { return taken }
      await waitForWord { $0.credit > 0 }
    }
  }

  private func wake(_ change: (inout State) -> Void) {
    let waiter = state.withLock { state in
      change(&state)
      defer { state.waiter = nil }
      return state.waiter
    }
    waiter?.resume()
  }

  private func takeHeld() -> [UInt8] {
    state.withLock { state in
      defer { state.held = [] }
      return state.held
    }
  }

  private func hold(_ bytes: [UInt8]) { state.withLock { $0.held = bytes } }
}
