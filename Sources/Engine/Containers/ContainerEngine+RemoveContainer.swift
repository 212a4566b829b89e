import EngineErrors
import LinuxSystem
import Metadata
import Runner

extension ContainerEngine {
  /// Removes a container with its writable layer and its log.
  ///
  /// - Parameters:
  ///   - force: kills it first when it runs.
  ///   - withVolumes: whether its anonymous volumes go too, as far as no other container uses them.
  /// - Throws: `inUse` for a running container without `force`.
  package func removeContainer(_ name: String, force: Bool, withVolumes: Bool = false) async throws {
    let record = try await current(name)
    do {
      if force, ContainerState.live.contains(record.state) {
        _ = try await stop(record.id, signal: .kill)
      } else {
        try record.admit(.remove)
      }
      try await remove(record, withVolumes: withVolumes)
    } catch let error as EngineError where error.kind == .notFound {
      // With its end one that removes itself goes as well, by whoever runs it: it is gone, as was asked for.
      guard try metadata.container(id: record.id) == nil else { throw error }
    }
  }

  /// Removes one that does not run. First its row, so that what the database names is always whole.
  ///
  /// Not stopped by cancellation: half a container would be left.
  func remove(_ record: ContainerRecord, withVolumes: Bool = false) async throws {
    try await Task {
      let lock = try await locks.holdContainer(record.id)
      defer { lock.release() }
      guard let stored = try metadata.container(id: record.id) else { return }
      // The service that started it may have died before it could say so.
      let settled = try await settle(stored)
      let networks = try metadata.endpoints(container: record.id).compactMap {
        try metadata.network(id: $0.network)
      }
      let gone =
        networks.map { JournalEvent.networkDisconnected($0.id, name: $0.name, container: stored) }
        + [.containerRemoved(record.id, name: record.name)]
      // Only those of sessions are, and none of these has volumes.
      let isBuildStep = try stored.session != nil && options(stored).isBuildStep == true
      // What is secret outlives nothing that is told of.
      if isBuildStep { try removeSecrets(of: record.id) }
      let volumes: [String]? =
        if isBuildStep {
          try await metadata.removeBuildContainer(stored, events: gone) ? [] : nil
        } else if withVolumes {
          try await metadata.removeContainerWithVolumes(record.id) { gone + $0.map { .volumeRemoved($0) } }
        } else {
          try await metadata.removeContainer(record.id, events: gone) ? [] : nil
        }
      guard let volumes else {
        throw EngineError(
          .inUse, "container \(record.name) was started meanwhile", subject: settled.id,
          hint: "stop it first, or remove it with force")
      }
      Failpoint.containerUnrecorded.pass()
      try await runner.cleanUp(record.id)
      try snapshots.removeContainer(record.id)
      removeVolumeDirectories(volumes)
      try await writeNames(networks.map(\.id))
      if isBuildStep { try await collect() }
    }.value
  }
}
