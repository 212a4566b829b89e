import EngineErrors
package import LinuxSystem
import Metadata
import Runner

extension ContainerEngine {
  /// Ends a container gently: its stop signal, then `SIGKILL` when the time is over. Its restart policy rests until it is
  /// started again.
  ///
  /// One that has exited is answered with its exit. Cancellation stops the waiting; the signal has been sent.
  /// - Throws: `conflict` for a container that was never started.
  package func stop(_ name: String, signal: Signal? = nil, timeout: Duration? = nil) async throws
    -> ExitStatus
  {
    let record = try await current(name)
    if try !record.admit(.stop), let exit = ExitStatus(record) {
      // Also after a start of the machine.
      try await endRestarts(of: record)
      return exit
    }
    let options = try options(record)
    try await endRestarts(of: record)
    let gentle = signal ?? options.stopSignal.flatMap(Signal.init) ?? .terminate
    try send(gentle, to: record)
    // Only so can it end; the signal is the first thing that it sees.
    if record.state == .paused { runner.unpause(record.id) }
    do {
      return try await exit(
        of: record,
        within: timeout
          ?? .milliseconds(options.stopTimeoutMilliseconds ?? ContainerOptions.standardStopTimeout))
    } catch let error as EngineError where error.kind == .timedOut {
      while true {
        try send(.kill, to: record)
        // Whoever pauses it between the signal and its end holds it with v1, until it is sent once more.
        do { return try await exit(of: record, within: .seconds(2)) } catch let error as EngineError
          where error.kind == .timedOut
        {
          continue
        }
      }
    }
  }

  /// Sends a signal to the first process. One that is to end it ends the restart policy as well.
  ///
  /// - Throws: `conflict` for a container that does not run, and for one that waits for its next start where the signal is
  ///   not one that is to end it.
  package func kill(_ name: String, signal: Signal = .kill) async throws {
    let record = try await current(name)
    try record.admit(.kill)
    let stopSignal = try options(record).stopSignal.flatMap(Signal.init) ?? .terminate
    let isToEnd = signal == .kill || signal == stopSignal
    if isToEnd { try await endRestarts(of: record) }
    if record.state == .restarting {
      if isToEnd { return }
      throw EngineError(
        .conflict, "container \(record.name) waits for its next start, with no process to signal",
        subject: record.id, hint: "try again, or stop it", retriable: true)
    }
    try runner.signal(record.id, signal.rawValue)
  }

  /// Stops a container, where it runs, and starts it again.
  ///
  /// - Throws: as `stop` and `start`. After a cancellation it may be stopped.
  package func restart(_ name: String, signal: Signal? = nil, timeout: Duration? = nil) async throws
    -> ContainerSummary
  {
    let record = try await current(name)
    if ContainerState.live.contains(record.state) {
      _ = try await stop(record.id, signal: signal, timeout: timeout)
    }
    return try await start(record.id)
  }

  /// Lets a container end for good when it ends next, and one that waits for its next start end now.
  private func endRestarts(of record: ContainerRecord) async throws {
    guard try options(record).restart?.rule != nil else { return }
    _ = try await metadata.markStopped(record.id)
    guard record.state == .restarting || runner.hasRestartRule(record.id) else { return }
    try runner.setRestartRule(record.id, nil)
    try runner.endPause(record.id)
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
