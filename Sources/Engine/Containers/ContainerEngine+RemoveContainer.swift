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
        try await endAndRemove(record, withVolumes: withVolumes)
      } else {
        try record.admit(.remove)
        try await remove(record, withVolumes: withVolumes, within: Self.copyPatience)
      }
    } catch let error as EngineError where error.kind == .notFound {
      // With its end one that removes itself goes as well, by whoever runs it: it is gone, as was asked for.
      guard try metadata.container(id: record.id) == nil else { throw error }
    }
  }

  /// Of several requests at once, the first one to come says how long the watch has nothing to do with the container.
  private func endAndRemove(_ record: ContainerRecord, withVolumes: Bool) async throws {
    let isFirst = removals.withLock { $0.insert(record.id).inserted }
    func isOver() {
      if isFirst { removals.withLock { _ = $0.remove(record.id) } }
    }
    do {
      let root = try await end(record)
      try await remove(record, withVolumes: withVolumes, within: Self.copyPatience, holding: root)
      isOver()
    } catch {
      isOver()
      watchRequests.yield(record.id)
      throw error
    }
  }

  /// Kills a container for its removal, which records the end.
  private func end(_ record: ContainerRecord) async throws -> HeldRoot? {
    if record.state == .restarting || runner.hasRestartRule(record.id) {
      _ = try await stop(record.id, signal: .kill)
      return nil
    }
    do {
      return try await runner.end(record.id)
    } catch {
      // It has ended by itself, or is about to be started by somebody else.
      guard error.kind == .conflict else { throw error }
      _ = try await stop(record.id, signal: .kill)
      return nil
    }
  }

  /// Removes one that does not run. First its row, so that what the database names is always whole; its tree loses its name, and
  /// is removed in the engine's own time.
  ///
  /// Not stopped by cancellation once it has begun: half a container would be left.
  ///
  /// - Parameters:
  ///   - patience: how long to wait for who copies files in or out of it; for ever where nil.
  ///   - root: what is let go when the tree has gone.
  /// - Throws: `inUse` where it was started meanwhile, or files of it are being copied.
  func remove(
    _ record: ContainerRecord, withVolumes: Bool = false, within patience: Duration? = nil,
    holding root: HeldRoot? = nil
  ) async throws {
    let deadline = patience.map { ContinuousClock.now + $0 }
    while try await !removeUnlessCopied(record, withVolumes: withVolumes, holding: root) {
      try await awaitRoot(of: record, until: deadline)
    }
  }

  /// - Returns: false while its root is open.
  private func removeUnlessCopied(
    _ record: ContainerRecord, withVolumes: Bool, holding root: HeldRoot?
  ) async throws -> Bool {
    try await Task {
      let lock = try await locks.holdContainer(record.id)
      defer { lock.release() }
      if try locks.isRootHeld(record.id) { return false }
      guard let stored = try metadata.container(id: record.id) else { return true }
      // The service that started it may have died before it could say so.
      let (settled, end) = try await settleUpToEnd(stored)
      let networks = try metadata.endpoints(container: record.id).compactMap {
        try metadata.network(id: $0.network)
      }
      let gone =
        (end.map { [.containerExited(record.id, name: record.name, $0)] } ?? [])
        + networks.map { JournalEvent.networkDisconnected($0.id, name: $0.name, container: stored) }
        + [.containerRemoved(record.id, name: record.name)]
      // Nobody else records its end, or starts it, while its lock is held.
      let states: Set<ContainerState> = end == nil ? [.created, .exited] : [settled.state]
      // Only those of sessions are, and none of these has volumes.
      let isBuildStep = try stored.session != nil && options(stored).isBuildStep == true
      // What is secret outlives nothing that is told of.
      if isBuildStep { try removeSecrets(of: record.id) }
      let volumes: [String]? =
        if isBuildStep {
          try await metadata.removeBuildContainer(stored, from: states, events: gone) ? [] : nil
        } else if withVolumes {
          try await metadata.removeContainerWithVolumes(record.id, from: states) {
            gone + $0.map { .volumeRemoved($0) }
          }
        } else {
          try await metadata.removeContainer(record.id, from: states, events: gone) ? [] : nil
        }
      guard let volumes else {
        throw EngineError(
          .inUse, "container \(record.name) was started meanwhile", subject: settled.id,
          hint: "stop it first, or remove it with force (rm -f at the REPL)")
      }
      Failpoint.containerUnrecorded.pass()
      try await runner.cleanUp(record.id)
      if let tree = try snapshots.unnameTree(snapshots.containerDirectory(record.id)) {
        reclaim([tree], letGo: root)
      }
      removeVolumeDirectories(volumes)
      await tellNames(of: networks.map(\.id))
      if isBuildStep { await collectBehind() }
      return true
    }.value
  }
}
