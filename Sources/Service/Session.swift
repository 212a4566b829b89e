package import Engine
import EngineErrors
import Foundation
import LinuxSystem
package import Logging
import RPCModel
package import RPCTransport
import Synchronization

/// One client's session: takes its messages in order, runs its requests, and answers each exactly once (invariant 6).
package final class Session: Sendable {
  struct State {
    var lifecycle = SessionState()
    var order = RequestOrder()
    var nextRequest = 0
    var nextTask = 1
    var nextSubscription = 1
    var trace = TraceValue.off
    var running: [RequestID: Running] = [:]
    var senders: [StreamID: StreamSender] = [:]
    var receivers: [StreamID: StreamReceiver] = [:]
    var subscriptions: [String: Task<Void, Never>] = [:]
    var isEnding = false
    var exitStatus: Int32?
  }

  struct Running {
    /// Its place in the order.
    var number: Int
    var settled: SettledSignal
    var task: Task<Void, Never>?
    var isCancelled = false
    /// Its answer may have reached the client, who is free to use the id again.
    var isAnswered = false
    /// Of a container/run or container/exec whose process runs: leaves it running and answers.
    var detach: (@Sendable () -> Void)?
    var isDetached = false
    /// Of a container/exec that has one.
    var terminal: RequestTerminal?
  }

  let engine: ContainerEngine
  let channel: MessageChannel
  let version: String
  let log: Logger
  let state = Mutex(State())
  private let ended: AsyncStream<Int32>
  private let end: AsyncStream<Int32>.Continuation

  package init(engine: ContainerEngine, channel: MessageChannel, version: String, log: Logger) {
    self.engine = engine
    self.channel = channel
    self.version = version
    self.log = log
    (ended, end) = AsyncStream.makeStream()
  }

  /// How long a client that has left may take none of the messages that wait for it.
  private static let patience = Duration.seconds(30)

  /// Serves the client until it leaves; by then its requests have been cancelled and answered.
  ///
  /// - Returns: the service's exit status: 0 after `shutdown`, 1 otherwise.
  package func serve() async -> Int32 {
    let (written, allWritten) = AsyncStream.makeStream(of: Never.self)
    channel.start { [self] event in
      receive(event)
    } onEnd: { [self] in
      leave()
    } onWriteEnd: { [self] isWhole in
      if !isWhole { leave() }
      allWritten.finish()
    }
    let watch = Task { await engine.watch() }
    var status: Int32 = 1
    for await value in ended {
      status = value
      break
    }
    // A client that has left its end of the output open, and does not read, keeps nothing: not what waits for room there, nor
    // the service.
    let patience = Task {
      guard await channel.closeWhenStalled(for: Self.patience) else { return }
      log.warning(
        "the client has left, and has read nothing for \(Self.patience): what waits for it is dropped")
      allWritten.finish()
    }
    defer { patience.cancel() }
    await endRequests()
    await engine.endSession()
    watch.cancel()
    channel.close()
    for await _ in written {}
    // Who removes an image in a script finds its space free behind it.
    await engine.reclaimed()
    return status
  }

  /// The client has gone, or said so: nothing more is taken.
  func leave() {
    let status = state.withLock { state in
      state.isEnding = true
      return state.exitStatus ?? state.lifecycle.exitStatus
    }
    end.yield(status)
    end.finish()
  }

  /// Cancels all that is under way and waits until it has been answered.
  func endRequests(except own: RequestID? = nil) async {
    let (tasks, subscriptions) = state.withLock { state in
      for id in state.running.keys where id != own { state.running[id]?.isCancelled = true }
      let subscriptions = state.subscriptions.values.map(\.self)
      state.subscriptions = [:]
      return (state.running.filter { $0.key != own }.compactMap(\.value.task), subscriptions)
    }
    for task in subscriptions + tasks { task.cancel() }
    for task in subscriptions + tasks { await task.value }
  }

  // MARK: Messages in, on the reading thread

  private func receive(_ event: FrameDecoder.Event) {
    switch event {
    case .frame(let bytes): receive(bytes)
    case .tooLong(let count):
      refuse(
        nil,
        .protocolError(
          ErrorCode.invalidRequest,
          "the message has \(count) bytes; at most \(FrameLimits.standard.frame) are taken"))
    case .badHeader(let why):
      refuse(nil, .protocolError(ErrorCode.invalidRequest, "cannot read the message's header: \(why)"))
      leave()
    }
  }

  private func receive(_ bytes: [UInt8]) {
    guard String(validating: bytes, as: UTF8.self) != nil else {
      return refuse(nil, .protocolError(ErrorCode.parseError, "the message is not UTF-8"))
    }
    let message: MessageToService
    do {
      message = try JSONDecoder().decode(MessageToService.self, from: Data(bytes))
    } catch {
      return refuse(nil, .protocolError(ErrorCode.parseError, "the message is not JSON"))
    }
    switch message {
    case .request(let id, let request):
      trace(
        "received request \(request.method.rawValue) (\(id))", verbose: String(decoding: bytes, as: UTF8.self)
      )
      take(request, id)
    case .notification(let notification): take(notification)
    case .refused(let id, let error): refuse(id, error)
    case .ignored(let why): log.debug("ignored a message: \(why)")
    }
  }

  private func refuse(_ id: RequestID?, _ error: RPCError) {
    channel.send(FailureMessage(id: id, error: error))
  }

  private func take(_ request: ClientRequest, _ id: RequestID) {
    let settled = SettledSignal()
    let admitted: Result<[SettledSignal], RPCError> = state.withLock { state in
      if let error = state.lifecycle.admit(request.method) { return .failure(error) }
      guard state.running[id]?.isAnswered ?? true else {
        return .failure(.protocolError(ErrorCode.invalidRequest, "a request with the id \(id) is under way"))
      }
      state.nextRequest += 1
      let earlier = state.order.admit(state.nextRequest, RequestOrder.Effects(request))
      state.running[id] = Running(
        number: state.nextRequest, settled: settled, terminal: RequestTerminal(request))
      return .success(state.running.values.filter { earlier.contains($0.number) }.map(\.settled))
    }
    switch admitted {
    case .failure(let error): refuse(id, error)
    case .success(let earlier):
      let context = RequestContext(id: id, session: self, settled: settled)
      let task = Task { await run(request, context, after: earlier) }
      let isCancelled = state.withLock { state in
        state.running[id]?.task = task
        return state.running[id]?.isCancelled ?? false
      }
      if isCancelled { task.cancel() }
    }
  }

  // MARK: Requests

  private func run(_ request: ClientRequest, _ context: RequestContext, after earlier: [SettledSignal]) async
  {
    let answer: Result<any JSONWritable & Sendable, RPCError>
    do {
      for signal in earlier { try await signal.wait() }
      answer = .success(try await respond(to: request, context))
    } catch {
      let isCancelled = state.withLock { $0.running[context.id]?.isCancelled ?? false }
      answer = .failure(RPCError(error, operation: request.method.rawValue, isCancelled: isCancelled))
    }
    context.settleChanges()
    send(answer, context)
    context.answered.signal()
    trace("answered \(request.method.rawValue) (\(context.id))")
    state.withLock { state in
      // A later request may have the id by now.
      if state.running[context.id]?.settled === context.settled { state.running[context.id] = nil }
    }
  }

  /// The one response, behind what belongs to the request.
  private func send(_ answer: Result<any JSONWritable & Sendable, RPCError>, _ context: RequestContext) {
    let streams = context.streams.all
    let isFailure = if case .failure = answer { true } else { false }
    // What a failed or cancelled request would still have had to send is dropped; a stalled stream holds up no answer.
    if isFailure { for stream in streams { stream.abandon() } }
    state.withLock { state in
      for stream in streams { state.senders[stream.id] = nil }
      state.running[context.id]?.isAnswered = true
    }
    let isBehindBulk = !streams.isEmpty && !isFailure
    switch answer {
    case .success(let result): respond(result, context.id, isBehindBulk)
    case .failure(let error): channel.send(FailureMessage(id: context.id, error: error))
    }
  }

  private func respond(_ result: some JSONWritable & Sendable, _ id: RequestID, _ isBehindBulk: Bool) {
    let message = ResultMessage(id: id, result: result)
    if isBehindBulk { channel.sendAfterBulk(message) } else { channel.send(message) }
  }

  func settleChanges(of id: RequestID, _ settled: SettledSignal) {
    state.withLock { state in
      if let number = state.running[id]?.number { state.order.settle(number) }
    }
    settled.signal()
  }

  // MARK: Messages out

  func notify(_ notification: some RPCNotification, coalescingKey: String? = nil) {
    channel.send(NotificationMessage(notification), coalescingKey: coalescingKey)
  }

  func nextTask() -> Int {
    state.withLock { state in
      defer { state.nextTask += 1 }
      return state.nextTask
    }
  }

  /// - Parameter verbose: what a client that has asked for it gets besides.
  private func trace(_ message: @autoclosure () -> String, verbose: @autoclosure () -> String? = nil) {
    let level = state.withLock { $0.trace }
    guard level != .off else { return }
    notify(LogTraceNotification(message: message(), verbose: level == .verbose ? verbose() : nil))
  }
}
