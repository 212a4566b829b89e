import Engine
import EngineErrors
import RPCModel
import RPCTransport
import Runner

/// The requests that carry a container's input and output.
extension Session {
  func containerRun(_ params: ContainerRun.Params, _ context: RequestContext) async throws
    -> ContainerRun.Result
  {
    let isDetached = params.detach ?? false
    if isDetached, params.streams != nil || params.stdin != nil {
      throw EngineError(
        .invalidArgument, "a detached container has no streams", hint: "run it detached, then attach to it")
    }
    let senders = try open(params.streams, context)
    let receiver = try params.stdin.map(openInput)
    defer { if let receiver { closeInput(receiver) } }
    var options = try ContainerOptions(params.containerCreation)
    if receiver != nil { options.opensStdin = true }
    let started = try await engine.run(options)
    let warnings = engine.warnings(options).wire
    context.settleChanges()
    if isDetached {
      engine.leave(started.id)
      return ContainerRun.Result(container: .init(started), warnings: warnings)
    }
    notify(ContainerRunningNotification(request: context.id, container: .init(started)))
    let work = Task {
      // One that has ended already takes no input, and has not failed.
      let input = receiver == nil ? nil : try await inputUnlessEnded(started.id)
      try await stream(started.id, from: .beginning, senders, receiver, input)
      return try await engine.finish(started)
    }
    allowDetaching(context.id) { work.cancel() }
    do {
      let (container, exit) = try await withTaskCancellationHandler {
        try await work.value
      } onCancel: {
        work.cancel()
      }
      return ContainerRun.Result(container: .init(container), exit: .init(exit), warnings: warnings)
    } catch {
      if !Task.isCancelled, wasDetached(context.id) {
        engine.leave(started.id)
        await senders.close()
        return ContainerRun.Result(container: .init(started), warnings: warnings)
      }
      // Cancelled, it has stopped by the time of the answer, and has gone where it was to; but a client that goes leaves its
      // containers as they are.
      if Task.isCancelled, !state.withLock({ $0.isEnding }) { await endUncancelled(started) }
      engine.leave(started.id)
      // Not what it was at that was cut off, which tells nobody anything.
      throw Task.isCancelled ? EngineError.cancelled("running container \(started.name)") : error
    }
  }

  private func endUncancelled(_ container: Engine.ContainerSummary) async {
    let engine = engine
    await Task {
      _ = try? await engine.stop(container.id)
      _ = try? await engine.finish(container)
    }.value
  }

  private func inputUnlessEnded(_ id: String) async throws -> ContainerInput? {
    do {
      return try await engine.input(id)
    } catch let error as EngineError where error.kind == .conflict {
      return nil
    }
  }

  func containerAttach(_ params: ContainerAttach.Params, _ context: RequestContext) async throws
    -> ContainerAttach.Result
  {
    let senders = try open(params.streams, context)
    let receiver = try params.stdin.map(openInput)
    defer { if let receiver { closeInput(receiver) } }
    let id = try engine.containerID(params.container)
    if let size = params.terminalSize { try await engine.resize(id, to: .init(size)) }
    let input = receiver == nil ? nil : try await engine.input(id)
    try await stream(id, from: .now, senders, receiver, input)
    return ContainerAttach.Result(exit: .init(try await engine.wait(id)))
  }

  func containerLogs(_ params: ContainerLogs.Params, _ context: RequestContext) async throws
    -> ContainerLogs.Result
  {
    let times = LogTimes(
      since: try params.since.map { try WireTime.nanoseconds($0, of: "since") },
      until: try params.until.map { try WireTime.nanoseconds($0, of: "until") })
    let senders = try open(params.streams, context)
    let log = try await engine.log(
      params.container, from: params.tail.map { .lastLines($0) } ?? .beginning, times: times,
      follow: params.follow ?? false)
    try await forward(log, to: senders, stamped: params.timestamps ?? false)
    return ContainerLogs.Result()
  }

  /// Carries output until the container has ended, and input as long as it does.
  private func stream(
    _ container: String, from start: LogReader.Start, _ senders: OutputSenders, _ receiver: StreamReceiver?,
    _ input: ContainerInput?
  ) async throws {
    // Before any input: what the container answers to it is behind `now`.
    let log = try await engine.log(container, from: start, follow: true)
    try await withThrowingTaskGroup(of: Void.self) { group in
      if let receiver, let input {
        group.addTask { [self] in
          // A container that takes no more input has not failed.
          try? await carry(receiver) {
            try await input.write($0)
          } end: {
            try await input.end()
          }
        }
      }
      defer { group.cancelAll() }
      try await forward(log, to: senders)
      if senders.isEmpty { _ = try await engine.wait(container) }
    }
  }
}
