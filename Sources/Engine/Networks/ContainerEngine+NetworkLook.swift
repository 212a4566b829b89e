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
      try await host.remove(interfaces: found.keys.filter { !known.contains($0) })
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
      let names = Dictionary(networks.map { ($0.id, $0.bridge) }) { first, _ in first }
      for endpoint in endpoints {
        guard let bridge = names[endpoint.network] else { continue }
        let peer = NetworkNames.peer(endpoint, store: store)
        if found[peer] == bridge { continue }
        // One network that cannot be made is no reason to leave the others.
        do { try await reattach(endpoint, peer: peer, to: bridge) } catch {
          log.warning("cannot connect container \(endpoint.container.prefix(12)) again: \(error)")
        }
      }
      try await refreshHosts(networks.map(\.id))
      try await restorePorts()
    } catch {
      if error is CancellationError { return }
      log.warning("cannot repair networks: \(error)")
    }
  }

  /// What was lost of a container's links and ports between two of its lives, when no process is in its network through which
  /// that could be reached, comes back with the next one.
  func repairNetworks(of container: String) async {
    do {
      let endpoints = try metadata.endpoints(container: container)
      if endpoints.isEmpty { return }
      let store = try metadata.storeIdentity()
      let found = try await hostNetwork().interfaces(endpoints.map { NetworkNames.peer($0, store: store) })
      for endpoint in endpoints {
        let peer = NetworkNames.peer(endpoint, store: store)
        guard let bridge = try metadata.network(id: endpoint.network)?.bridge, found[peer] != bridge else {
          continue
        }
        try await reattach(endpoint, peer: peer, to: bridge)
      }
      if let record = try metadata.container(id: container) { try await restorePorts(of: record) }
    } catch {
      if error is CancellationError { return }
      log.warning("cannot connect container \(container.prefix(12)) again: \(error)")
    }
  }

  /// Makes a running container's link anew that was lost, or not made to its end.
  private func reattach(_ endpoint: EndpointRecord, peer: String, to bridge: String) async throws {
    guard let lock = try? await locks.holdContainer(endpoint.container) else { return }
    defer { lock.release() }
    guard let record = try metadata.container(id: endpoint.container),
      [.running, .paused].contains(record.state),
      try metadata.endpoints(container: record.id).contains(endpoint),
      let namespace = try? runner.namespace(.network, of: record.id),
      // Of one that was started since the first look, the link is whole; making it anew would lose packets.
      try await hostNetwork().interfaces([peer])[peer] != bridge
    else { return }
    try await attach(record, to: namespace, only: endpoint)
  }
}
