import EngineErrors
import RPCModel
import RPCTransport
import Runner

/// The output streams of one request, as its client named them.
struct OutputSenders {
  /// Bytes that a stream may carry before the first credit, when the client says nothing.
  static let defaultCredit = 1 << 20

  var stdout: StreamSender?
  var stderr: StreamSender?

  /// - Returns: false when nobody takes the bytes any more.
  func send(_ record: LogRecord) async throws -> Bool {
    switch record.content {
    case .stdout(let bytes): try await stdout?.send(bytes) ?? true
    case .stderr(let bytes): try await stderr?.send(bytes) ?? true
    case .lost: true
    }
  }

  func close() async {
    await stdout?.close()
    await stderr?.close()
  }

  var isEmpty: Bool { stdout == nil && stderr == nil }
}

extension Session {
  /// Opens the streams that a request names.
  ///
  /// - Throws: `invalidArgument` for a name that is in use.
  func open(_ streams: OutputStreams?, _ context: RequestContext) throws -> OutputSenders {
    let credit = streams?.initialCredit ?? OutputSenders.defaultCredit
    return OutputSenders(
      stdout: try streams?.stdout.map { try sender($0, credit, context) },
      stderr: try streams?.stderr.map { try sender($0, credit, context) })
  }

  func sender(_ id: StreamID, _ credit: Int, _ context: RequestContext) throws -> StreamSender {
    let sender = StreamSender(id, credit: credit, over: channel)
    try state.withLock { state in
      guard state.senders[id] == nil, state.receivers[id] == nil else { throw inUse(id) }
      state.senders[id] = sender
    }
    context.streams.add(sender)
    return sender
  }

  /// Opens the stream on which a request's client sends its standard input.
  func openInput(_ id: StreamID) throws -> StreamReceiver {
    let receiver = StreamReceiver(id, granted: 0, over: channel)
    try state.withLock { state in
      guard state.senders[id] == nil, state.receivers[id] == nil else { throw inUse(id) }
      state.receivers[id] = receiver
    }
    return receiver
  }

  func closeInput(_ receiver: StreamReceiver) {
    receiver.end(nil)
    _ = state.withLock { $0.receivers.removeValue(forKey: receiver.id) }
  }

  private func inUse(_ id: StreamID) -> EngineError {
    EngineError(
      .invalidArgument, "the stream \(id) is in use", subject: id, hint: "give each stream another name")
  }

  /// Sends what a container has written. A loss is told in a message, since it is no output.
  ///
  /// - Parameter isStamped: each line begins with its time.
  func forward(_ log: LogReader, to senders: OutputSenders, stamped isStamped: Bool = false) async throws {
    guard !senders.isEmpty else { return }
    var stamps = LineStamps()
    for try await record in log {
      if case .lost(let bytes) = record.content {
        notify(
          WindowLogMessageNotification(
            type: 2, message: "\(bytes) bytes of a container's output are not in its log"))
      }
      if try await !senders.send(isStamped ? stamps.stamped(record) : record) { break }
    }
    await senders.close()
  }

  /// Bytes of standard input that a client may send ahead of the container.
  static let inputWindow = 256 << 10

  /// Carries a client's standard input to `write`, and grants as much as was taken.
  func carry(
    _ receiver: StreamReceiver, _ write: ([UInt8]) async throws -> Void, end: () async throws -> Void
  ) async throws {
    receiver.grant(Self.inputWindow)
    for await chunk in receiver.chunks {
      try await write(chunk)
      receiver.grant(chunk.count)
    }
    if !Task.isCancelled { try await end() }
  }
}
