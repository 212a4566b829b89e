package import RPCModel
import RPCTransport
import Synchronization
package import Testing

/// A request with streams that a test types into while it looks at what comes.
package final class TestScreen: Sendable {
  private let seen: SeenOutput
  private let sender: StreamSender?
  private let answer: Task<RPCModel.ExitStatus, any Error>
  private let reading: Task<Void, Never>
  /// For `container/resize` and `container/detach`.
  package let request: RequestID

  init(
    _ output: StreamReceiver, _ sender: StreamSender?, request: RequestID,
    _ answer: Task<RPCModel.ExitStatus, any Error>
  ) {
    self.sender = sender
    self.answer = answer
    self.request = request
    let seen = SeenOutput()
    self.seen = seen
    reading = Task {
      for await chunk in output.chunks {
        seen.add(chunk)
        output.grant(chunk.count)
      }
      seen.finish()
    }
    Task {
      // A request that failed before it took the stream does not end it.
      if case .failure = await answer.result { output.end(nil) }
    }
  }

  package var bytes: [UInt8] { seen.bytes }
  package var text: String { String(decoding: bytes, as: UTF8.self) }

  /// Waits until this has been shown, or until nothing more comes; records an issue where neither happens.
  package func wait(for text: String, _ place: SourceLocation = #_sourceLocation) async {
    let hasEnded: Void? = try? await withPatience(Patience.wait) { [seen] in
      await seen.wait(for: Array(text.utf8))
    }
    guard hasEnded == nil else { return }
    seen.finish()
    recordVainWait(
      for: "\(text.debugDescription) on the screen", instead: self.text.debugDescription, at: place)
  }

  package func type(_ text: String) async { await type(Array(text.utf8)) }
  package func type(_ bytes: [UInt8]) async { _ = try? await sender?.send(bytes) }
  package func endInput() async { await sender?.close() }

  /// Cancels the request, and waits until it has been answered.
  package func detach() async {
    answer.cancel()
    _ = await answer.result
  }

  /// How it ended; by then all output is here.
  package var exit: RPCModel.ExitStatus {
    get async throws {
      let exit = try await answer.value
      await reading.value
      return exit
    }
  }
}

/// What has come so far, and who waits for more of it.
private final class SeenOutput: Sendable {
  private struct State {
    var bytes: [UInt8] = []
    var isOver = false
    var waiters: [(text: [UInt8], continuation: CheckedContinuation<Void, Never>)] = []
  }
  private let state = Mutex(State())

  var bytes: [UInt8] { state.withLock { $0.bytes } }

  func add(_ chunk: [UInt8]) {
    let ready = state.withLock { state in
      state.bytes += chunk
      let bytes = state.bytes
      defer { state.waiters.removeAll { bytes.contains($0.text) } }
      return state.waiters.filter { bytes.contains($0.text) }
    }
    for waiter in ready { waiter.continuation.resume() }
  }

  func finish() {
    let waiters = state.withLock { state in
      state.isOver = true
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter.continuation.resume() }
  }

  func wait(for text: [UInt8]) async {
    await withCheckedContinuation { continuation in
      let isNow = state.withLock { state in
        if state.isOver || state.bytes.contains(text) { return true }
        state.waiters.append((text, continuation))
        return false
      }
      if isNow { continuation.resume() }
    }
  }
}

extension TestService {
  private func screen<Request: RPCRequest>(
    _ type: Request.Type, input: Bool, _ params: (OutputStreams, StreamID?) -> Request.Params,
    _ exit: @escaping @Sendable (Request.Result) throws -> RPCModel.ExitStatus
  ) -> TestScreen {
    let connection = process.connection
    let output = connection.receiver(credit: 1 << 16)
    let sender = input ? connection.sender() : nil
    let (id, params) = (
      connection.newRequestID(),
      params(OutputStreams(stdout: output.id, initialCredit: 1 << 16), sender?.id)
    )
    let answer = Task { try exit(try await connection.send(type, params, id: id)) }
    return TestScreen(output, sender, request: id, answer)
  }

  /// Attaches to a container that runs; what is written from the first output on is seen.
  package func attach(_ container: String, input: Bool = true, size: TerminalSize? = nil) async throws
    -> TestScreen
  {
    screen(ContainerAttach.self, input: input) {
      ContainerAttach.Params(container: container, streams: $0, stdin: $1, terminalSize: size)
    } _: {
      $0.exit
    }
  }

  /// Runs a container of `busybox:1`.
  package func openRun(_ change: (inout ContainerRun.Params) -> Void) async throws -> TestScreen {
    screen(ContainerRun.self, input: true) {
      var params = ContainerRun.Params(image: "busybox:1", streams: $0, stdin: $1)
      change(&params)
      return params
    } _: {
      guard let exit = $0.exit else { throw TestFailure("an attached run without an exit") }
      return exit
    }
  }

  /// Runs one more process, with a terminal.
  package func openExec(
    _ container: String, size: TerminalSize? = nil, _ change: (inout ContainerExec.Params) -> Void
  ) async throws -> TestScreen {
    screen(ContainerExec.self, input: true) {
      var params = ContainerExec.Params(container: container, command: [], streams: $0, stdin: $1, tty: true)
      params.terminalSize = size
      change(&params)
      return params
    } _: {
      guard let exit = $0.exit else { throw TestFailure("a command without an exit") }
      return exit
    }
  }
}
