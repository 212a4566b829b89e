import EngineErrors
import LinuxSystem
import Metadata
import Runner

extension ContainerEngine {
  /// Holds all processes of a running container (the cgroup freezer), and returns when they are held.
  ///
  /// - Throws: `conflict` for a container that does not run; `unsupported` where it can have no control group.
  package func pause(_ name: String) async throws {
    try await withSettled(name) { [self] record in
      try record.admit(.pause)
      do { try await runner.pause(record.id) } catch { throw named(error, record) }
    }
  }

  /// Lets a paused container go on.
  ///
  /// - Throws: `conflict` for one that is not paused.
  package func unpause(_ name: String) async throws {
    try await withSettled(name) { [self] record in
      try record.admit(.unpause)
      runner.unpause(record.id)
    }
  }

  /// Changes what there is of a container outside of the database, which then follows. Not stopped by cancellation.
  private func withSettled(
    _ name: String, _ change: @escaping @Sendable (ContainerRecord) async throws -> Void
  )
    async throws
  {
    let found = try metadata.container(matching: name)
    try await Task {
      let lock = try await locks.holdContainer(found.id)
      defer { lock.release() }
      guard let stored = try metadata.container(id: found.id) else { throw removedMeanwhile(found) }
      let record = try await settle(stored)
      try await change(record)
      _ = try await settle(record)
    }.value
  }
}
