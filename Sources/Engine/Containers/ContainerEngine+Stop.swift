import EngineErrors
package import LinuxSystem
import Metadata
import Runner

extension ContainerEngine {
  /// Ends a container gently: its stop signal, then `SIGKILL` when the time is over.
  ///
  /// One that has exited is answered with its exit. Cancellation stops the waiting; the signal has been sent.
  /// - Throws: `conflict` for a container that was never started.
  package func stop(_ name: String, signal: Signal? = nil, timeout: Duration? = nil) async throws
    -> ExitStatus
  {
    let record = try await current(name)
    if let exit = ExitStatus(record) { return exit }
    let options = try options(record)
    let gentle = signal ?? options.stopSignal.flatMap(Signal.init) ?? .terminate
    try send(gentle, to: record)
    do {
      return try await exit(
        of: record, within: timeout ?? .milliseconds(options.stopTimeoutMilliseconds))
    } catch let error as EngineError where error.kind == .timedOut {
      try send(.kill, to: record)
      return try await exit(of: record)
    }
  }

  /// - Throws: `conflict` for a container that does not run.
  package func kill(_ name: String, signal: Signal = .kill) async throws {
    let record = try await current(name)
    guard record.state == .running else {
      throw EngineError(
        .conflict, "container \(record.name) does not run", subject: record.id, retriable: false)
    }
    try runner.signal(record.id, signal.rawValue)
  }

  /// A container that has exited by itself in the meantime has what the signal was for.
  private func send(_ signal: Signal, to record: ContainerRecord) throws {
    do {
      try runner.signal(record.id, signal.rawValue)
    } catch let error where error.kind == .conflict {
      if record.state == .created { throw error }
    }
  }
}
