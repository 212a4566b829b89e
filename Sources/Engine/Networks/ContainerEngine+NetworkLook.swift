import EngineErrors
import LinuxSystem
import Metadata
import Networking

/// What the host has of networks follows the database: here it is compared and made so. After a crash, a start of the machine,
/// or another program's change of the firewall, that is the repair.
extension ContainerEngine {
  /// Makes the firewall as the database says, where it is not.
  func ensureFirewall() async throws {
    let host = try await hostNetwork()
    // Whoever reads and then writes must not be overtaken.
    let lock = try await onBlockingThread("networks-lock") { [locks] in try locks.holdNetworks() }
    defer { lock.release() }
    try await host.ensure(firewallPlan())
  }

  private func firewallPlan() throws -> FirewallPlan {
    var plan = FirewallPlan(table: NetworkNames.table(store: try metadata.storeIdentity()))
    plan.networks = try metadata.networks().map { try $0.plan() }
    plan.isRelayed = userNetwork != nil
    return plan
  }

  /// The same for all that networks are, in a service's own time: what cannot be repaired is logged.
  func repairNetworks() async {
    do {
      let isUsed =
        try !metadata.liveMembers(ofNetworks: metadata.networks().map(\.id)).isEmpty
        || !metadata.buildEndpoints().isEmpty
      guard let host = try await isUsed ? hostNetwork() : presentHostNetwork() else { return }
      let store = try metadata.storeIdentity()
      let (bridges, peers) = (
        NetworkNames.bridgePrefix(store: store), NetworkNames.peerPrefix(store: store)
      )
      // Looked at first: whatever has a row by then is somebody's.
      let found = try await host.interfaces([bridges, peers])
      let networks = try metadata.networks()
      if found.isEmpty && networks.isEmpty {
        // On a machine without nftables there is nothing to take away either.
        try? await ensureFirewall()
        return
      }
      let endpoints = try metadata.endpoints()
      let connected = try endpoints + metadata.buildEndpoints().map(\.endpoint)
      let known = Set(networks.map(\.bridge) + connected.map { NetworkNames.peer($0, store: store) })
      var strays = found.keys.filter { !known.contains($0) }
      if strays.contains(where: { $0.hasPrefix(peers) }) {
        // One of them may have been a container's way to the outside.
        let members = Set(endpoints.map(\.container))
        let areWhole = await withRunning(
          { members.contains($0.id) }, { try await self.restoreRoutes(of: $0) })
        // They stay, and tell the next look.
        if !areWhole { strays.removeAll { $0.hasPrefix(peers) } }
      }
      try await host.remove(interfaces: strays)
      for network in networks {
        do {
          try await host.ensure([network.plan()])
          // Removed meanwhile, and with it the bridge that was made again here.
          if try metadata.network(id: network.id) == nil {
            try await host.remove(interfaces: [network.bridge])
          }
        } catch {
          log.warning("cannot make network \(network.name): \(error)")
        }
      }
      try await ensureFirewall()
      try await refreshHosts(networks.map(\.id))
      let names = Dictionary(networks.map { ($0.id, $0.bridge) }) { first, _ in first }
      let lost = Set(
        endpoints.filter { endpoint in
          names[endpoint.network].map { found[NetworkNames.peer(endpoint, store: store)] != $0 } ?? false
        }.map(\.container))
      await withRunning({ try lost.contains($0.id) || self.hasPorts($0) }) {
        if lost.contains($0.id) { try await self.reattach($0) }
        try await self.restorePorts(of: $0)
      }
    } catch {
      if error is CancellationError { return }
      log.warning("cannot repair networks: \(error)")
    }
  }

  /// What was lost of a container's links and ports between two of its lives, when no process is in its network through which
  /// that could be reached, comes back with the next one.
  func repairNetworks(of container: String) async {
    do {
      if try metadata.endpoints(container: container).isEmpty { return }
      let lock = try await locks.holdContainer(container)
      defer { lock.release() }
      guard let record = try metadata.container(id: container), [.running, .paused].contains(record.state)
      else { return }
      try await reattach(record)
      try await restorePorts(of: record)
      await catchUpNames(of: container)
    } catch {
      if error is CancellationError { return }
      log.warning("cannot connect container \(container.prefix(12)) again: \(error)")
    }
  }

  /// Does something to each of the containers that run, under its lock. None waits for another, nor long for who changes it just
  /// now; and one that cannot be repaired is no reason to leave the others.
  ///
  /// - Parameter needsIt: asked without the lock.
  /// - Returns: whether all that needed it have got it, or run no more.
  @discardableResult
  private func withRunning(
    _ needsIt: (ContainerRecord) throws -> Bool,
    _ repair: @Sendable @escaping (ContainerRecord) async throws -> Void
  ) async -> Bool {
    guard let running = try? metadata.containers(in: [.running, .paused]),
      let chosen = try? running.filter(needsIt).map(\.id)
    else { return false }
    return await withTaskGroup(of: Bool.self) { group in
      for id in chosen {
        group.addTask { [self] in
          do {
            guard let lock = try await locks.holdContainer(id, within: .seconds(10)) else {
              log.warning(
                "container \(id.prefix(12)) is being changed: what it lacks of networks comes later")
              return false
            }
            defer { lock.release() }
            guard let record = try metadata.container(id: id), [.running, .paused].contains(record.state)
            else { return true }
            try await repair(record)
            return true
          } catch {
            if (error as? EngineError)?.kind == .notFound { return true }
            if !(error is CancellationError) {
              log.warning("cannot connect container \(id.prefix(12)) again: \(error)")
            }
            return false
          }
        }
      }
      return await group.reduce(true) { $0 && $1 }
    }
  }

  /// Makes the links of a container anew that were lost, or not made to their end. The caller holds its lock.
  private func reattach(_ record: ContainerRecord) async throws {
    let store = try metadata.storeIdentity()
    let endpoints = try metadata.endpoints(container: record.id)
    let found = try await hostNetwork().interfaces(endpoints.map { NetworkNames.peer($0, store: store) })
    for endpoint in endpoints {
      // Of one that was started since the first look, the link is whole; making it anew would lose packets.
      guard let bridge = try metadata.network(id: endpoint.network)?.bridge,
        found[NetworkNames.peer(endpoint, store: store)] != bridge,
        let namespace = try? runner.namespace(.network, of: record.id)
      else { continue }
      try await attach(record, to: namespace, only: endpoint)
    }
  }

  /// The caller holds its lock.
  private func restoreRoutes(of record: ContainerRecord) async throws {
    guard let namespace = try? runner.namespace(.network, of: record.id) else { return }
    try await hostNetwork().restoreRoutes(by: links(of: record.id), in: namespace.descriptor)
  }
}
