import EngineErrors
import Metadata
import Runner

extension ContainerEngine {
  /// Waits until a container that was started has exited.
  ///
  /// - Parameter timeout: nil waits for ever.
  /// - Throws: `timedOut`, with the container running on; `conflict` for one that was never started;
  ///   `notFound` when it is removed without having ended. Cancellation leaves the container as it is.
  package func wait(_ name: String, timeout: Duration? = nil) async throws -> ExitStatus {
    let record: ContainerRecord
    do { record = try metadata.container(matching: name) } catch {
      // A whole id is nobody else's: who has it may come when the container has ended and gone.
      guard error.kind == .notFound, name.utf8.count == 64, let exit = try journalledExit(of: name) else {
        throw error
      }
      return exit
    }
    return try await exit(of: record, within: timeout)
  }

  /// How a container ended last that has gone since; nil where the journal does not know it, or not any more.
  private func journalledExit(of id: String) throws -> ExitStatus? {
    try metadata.newestEvent("container.exited", about: id).map(\.event).flatMap(ExitStatus.init)
  }

  func exit(of record: ContainerRecord, within timeout: Duration?) async throws -> ExitStatus {
    guard let timeout else { return try await exit(of: record) }
    let late = EngineError(
      .timedOut, "container \(record.name) runs still after \(timeout)", subject: record.id, retriable: true)
    return try await withDeadline(timeout, late) { try await self.exit(of: record) }
  }

  /// Waits for the last end, and journals those before it that a restart policy followed up.
  func exit(of record: ContainerRecord) async throws -> ExitStatus {
    var stored = try metadata.container(id: record.id)
    var ended: Runner.EndedShim?
    defer { withExtendedLifetime(ended) {} }
    while true {
      guard let seen = stored, let current = try await settled(seen, hasEnded: ended != nil) else {
        // One that was to go has gone, but not before its end was journalled.
        guard let exit = try journalledExit(of: record.id) else { throw removedMeanwhile(record) }
        return exit
      }
      if let exit = ExitStatus(current) { return exit }
      guard ContainerState.live.contains(current.state) else {
        throw EngineError(
          .conflict, "container \(record.name) was not started", subject: record.id, retriable: false)
      }
      if runner.hasRestartRule(record.id) || current.state == .restarting {
        try await waitForChange(of: current)
        stored = try metadata.container(id: record.id)
        ended = nil
      } else {
        ended = try await runner.waitForEnd(record.id)
        stored = current
      }
    }
  }

  /// Returns when the container is in another state than the record says.
  private func waitForChange(of record: ContainerRecord) async throws {
    try await runner.waitForChange(record.id) {
      guard let stored = try metadata.container(id: record.id), let now = try await settled(stored) else {
        return true
      }
      return now.state != record.state || now.pid != record.pid
    }
  }
}
