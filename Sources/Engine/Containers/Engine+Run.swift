import EngineErrors
import LinuxSystem
import Metadata
import OCIModel
import Runner

extension Engine {
  /// Starts a container that does not run; one that has exited starts again on its writable layer.
  ///
  /// - Throws: `conflict` when it runs; `notFound` for a command that is not there and `permissionDenied` for one
  ///   that cannot be executed, which also end the container with the shell's codes 127 and 126.
  package func start(_ name: String) async throws -> ContainerSummary {
    try summary(try await start(container(named: name)))
  }

  func start(_ row: ContainerRow) async throws -> ContainerRow {
    let lock = try await locks.holdContainer(row.id)
    defer { lock.release() }
    guard let row = try metadata.container(row.id).map(settle) else { throw removedMeanwhile(row) }
    guard row.state != .running else {
      throw EngineError(
        .conflict, "container \(row.name) runs already", subject: row.id, retriable: false)
    }
    let options = try options(row)
    let plan = try LaunchPlan.compile(spec: spec(row.id), root: root(of: row), host: host)
    do {
      let started = try await runner.start(
        row.id, plan: plan, log: logPath(row.id), opensStdin: options.opensStdin)
      return try markStarted(row, pid: started.pid, at: started.startedAt)
    } catch let error as EngineError {
      // The shell's codes, so that a script sees the same as when it starts the command itself.
      if let code = Self.exitCode(of: error) {
        _ = try markStarted(row, pid: 0, at: Timestamp.now)
        _ = try settleFailedStart(row, ContainerExit(code: code, at: Timestamp.now))
      }
      try? runner.cleanUp(row.id)
      throw error
    }
  }

  /// Waits until a container that was started has exited, and settles it.
  ///
  /// - Parameter timeout: nil waits for ever.
  /// - Throws: `timedOut`, with the container running on; `conflict` for one that was never started;
  ///   `notFound` when it is removed meanwhile. Cancellation leaves the container as it is.
  package func wait(_ name: String, timeout: Duration? = nil) async throws -> ContainerExit {
    let row = try container(named: name)
    guard let timeout else { return try await exit(of: row) }
    return try await withDeadline(
      timeout,
      EngineError(.timedOut, "container \(row.name) runs still after \(timeout)", subject: row.id)
    ) {
      try await self.exit(of: row)
    }
  }

  func exit(of row: ContainerRow) async throws -> ContainerExit {
    var row = row
    while true {
      guard let current = try await settled(row) else { throw removedMeanwhile(row) }
      switch current.state {
      case .exited: return current.exit
      case .created:
        throw EngineError(
          .conflict, "container \(row.name) was not started", subject: row.id, retriable: false)
      case .running:
        row = current
        try await runner.waitForShim(row.id)
      }
    }
  }

  /// Ends a container gently: its stop signal, then `SIGKILL` when the time is over.
  ///
  /// Cancellation stops the waiting; the signal has been sent.
  package func stop(_ name: String, signal: Signal? = nil, timeout: Duration? = nil) async throws
    -> ContainerExit
  {
    let row = try container(named: name)
    guard let row = try await settled(row) else { throw removedMeanwhile(row) }
    if row.state == .exited { return row.exit }
    let options = try options(row)
    let gentle = try signal ?? options.stopSignal.map(Signal.init(parsing:)) ?? .terminate
    try sendSignal(gentle, to: row)
    let patience = timeout ?? .milliseconds(options.stopTimeoutMilliseconds)
    do {
      return try await wait(row.id, timeout: patience)
    } catch let error as EngineError where error.kind == .timedOut {
      try sendSignal(.kill, to: row)
      return try await exit(of: row)
    }
  }

  /// - Throws: `conflict` for a container that does not run.
  package func kill(_ name: String, signal: Signal = .kill) async throws {
    let row = try container(named: name)
    guard let row = try await settled(row) else { throw removedMeanwhile(row) }
    guard row.state == .running else {
      throw EngineError(
        .conflict, "container \(row.name) does not run", subject: row.id, retriable: false)
    }
    try sendSignal(signal, to: row)
  }

  /// A container that has exited by itself in the meantime has what the signal was for.
  private func sendSignal(_ signal: Signal, to row: ContainerRow) throws {
    do {
      try runner.signal(row.id, signal)
    } catch let error as EngineError where error.kind == .notFound {
      return
    }
  }

  private static func exitCode(of error: EngineError) -> Int32? {
    switch error.kind {
    case .notFound: 127
    case .permissionDenied: 126
    default: nil
    }
  }
}
