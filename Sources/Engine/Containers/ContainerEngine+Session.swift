import EngineErrors
import LinuxSystem
import Metadata
import SystemPackage

/// Containers and volumes that go with the session that made them.
extension ContainerEngine {
  /// This engine's name for what it owns. Its lock, held for as long as the engine lives, tells the others that it does.
  func ownSession() throws -> String {
    try session.withLock { session in
      if let session { return session.name }
      let name = ContainerName.newIdentifier()
      try makeDirectories(sessionsDirectory, mode: 0o700)
      let path = sessionsDirectory.appending(name)
      guard let lock = try FileLock.tryAcquire(path) else {
        throw EngineError(.conflict, "cannot begin a session: its name is taken", subject: path.string)
      }
      session = OwnSession(name: name, lock: lock)
      return name
    }
  }

  struct OwnSession: Sendable {
    var name: String
    var lock: FileLock
  }

  /// Kills and removes all containers of this session, and removes its volumes. To be called when the client has gone.
  package func endSession() async {
    guard let own = session.withLock({ $0 }) else { return }
    await removeContainers(ofSession: own.name)
    await removeVolumes(ofSession: own.name)
    await removeNetworks(ofSession: own.name)
    session.withLock { $0 = nil }
    own.lock.releaseAndRemove()
  }

  /// Removes what belonged to sessions whose service was killed.
  func removeOrphans() async {
    var sessions = Set(((try? metadata.containers()) ?? []).compactMap(\.session))
    sessions.formUnion(((try? metadata.volumes()) ?? []).compactMap(\.record.session))
    sessions.formUnion(((try? metadata.networks()) ?? []).compactMap(\.session))
    let builds = (try? metadata.buildEndpoints()) ?? []
    sessions.formUnion(builds.map(\.session))
    for name in sessions where isOver(session: name) {
      await removeContainers(ofSession: name)
      let left = builds.filter { $0.session == name }.map(\.endpoint.container)
      if !left.isEmpty { try? await metadata.disconnectBuilds(left) }
      await removeVolumes(ofSession: name)
      await removeNetworks(ofSession: name)
      try? removeFile(sessionsDirectory.appending(name))
    }
  }

  func isOver(session name: String) -> Bool {
    if session.withLock({ $0?.name == name }) { return false }
    let path = sessionsDirectory.appending(name)
    guard let lock = try? FileLock.tryAcquire(path) else { return false }
    lock.release()
    return true
  }

  private func removeContainers(ofSession name: String) async {
    for record in (try? metadata.containers()) ?? [] where record.session == name {
      do {
        try await removeContainer(record.id, force: true, withVolumes: true)
      } catch let error as EngineError where error.kind == .notFound {
        continue
      } catch {
        log.error("cannot remove container \(record.name) of a session that is over: \(error)")
      }
    }
  }

  /// One that a container uses still, which stays, goes when a later service looks.
  private func removeVolumes(ofSession name: String) async {
    for volume in (try? metadata.volumes()) ?? [] where volume.record.session == name {
      do {
        try await removeVolume(volume.record.name)
      } catch let error as EngineError where [.notFound, .inUse].contains(error.kind) {
        continue
      } catch {
        log.error("cannot remove volume \(volume.record.name) of a session that is over: \(error)")
      }
    }
  }

  /// One that others' containers are connected to stays, for the next service that begins.
  private func removeNetworks(ofSession name: String) async {
    for network in (try? metadata.networks()) ?? [] where network.session == name {
      do {
        try await removeNetwork(network)
      } catch let error as EngineError where [.notFound, .inUse].contains(error.kind) {
        continue
      } catch {
        log.error("cannot remove network \(network.name) of a session that is over: \(error)")
      }
    }
  }

  private var sessionsDirectory: FilePath { configuration.runDirectory.appending("sessions") }
}
