import EngineErrors
import Metadata
import Runner

extension Engine {
  /// Removes a container with its writable layer and its log.
  ///
  /// - Parameter force: kills it first when it runs.
  /// - Throws: `inUse` for a running container without `force`.
  package func removeContainer(_ name: String, force: Bool) async throws {
    let row = try container(named: name)
    guard let row = try await settled(row) else { return }
    if row.state == .running {
      guard force else {
        throw EngineError(
          .inUse, "container \(row.name) runs", subject: row.id,
          hint: "stop it first, or remove it with force")
      }
      _ = try await stop(row.id, signal: .kill, timeout: .zero)
    }
    try await remove(row)
  }

  /// Removes one that does not run. First its row, so that what the database names is always whole.
  func remove(_ row: ContainerRow) async throws {
    let lock = try await locks.holdContainer(row.id)
    defer { lock.release() }
    guard let current = try metadata.container(row.id) else { return }
    guard current.state != .running else {
      throw EngineError(.inUse, "container \(row.name) was started meanwhile", subject: row.id)
    }
    try metadata.removeContainer(row.id, events: [.containerRemoved(row.id, name: row.name)])
    try runner.cleanUp(row.id)
    try snapshots.removeContainer(row.id)
  }
}
