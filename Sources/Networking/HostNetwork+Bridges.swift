package import EngineErrors
import LinuxSystem
import SystemPackage

extension HostNetwork {
  /// What of a host decides which ranges are free, and how large packets are.
  package struct Surroundings: Sendable {
    /// All that is routed, but for the ways to the outside.
    package var routed: [Subnet]
    /// Of the way to the outside; nil where there is none.
    package var mtu: UInt32?
    package var hasIPv6: Bool
  }

  package func surroundings() async throws(EngineError) -> Surroundings {
    try await run("look at the host's routes") { session in
      let routes = try session.routes.routes(.v4) + session.routes.routes(.v6)
      let ways = routes.filter { $0.isWayOut && $0.interface != nil }
      // Half of all addresses go before all.
      let outward = (ways.first { $0.destination.prefix == 1 } ?? ways.first)?.interface
      let links = try session.routes.links()
      return Surroundings(
        routed: routes.filter { !$0.isWayOut }.map(\.destination),
        mtu: links.first { $0.index == outward }?.mtu, hasIPv6: IPv6.isOn)
    }
  }

  /// The host's own address in what it sends to the outside, by which it is reached from elsewhere; nil where no route leads
  /// there.
  package func outwardAddress(_ family: IPAddress.Family) async throws(EngineError) -> IPAddress? {
    try await run("look up the way to the outside") { try $0.routes.outwardAddress(family) }
  }

  /// Makes the bridges that are missing, gives them what they lack or have lost, and lets the host pass packets on where one needs
  /// it.
  package func ensure(_ bridges: [BridgePlan]) async throws(EngineError) {
    try await run("make networks' bridges") { session in
      for bridge in bridges { _ = try session.ensure(bridge, lookingClosely: true) }
    }
  }

  /// One that is gone is fine. Who is connected to it keeps an interface that leads nowhere.
  package func remove(bridge: String) async throws(EngineError) {
    try await run("remove bridge \(bridge)") { session in try session.routes.removeLink(bridge) }
  }

  /// The interfaces there are whose names begin so, with the names of the bridges that they are up for.
  package func interfaces(_ prefixes: [String]) async throws(EngineError) -> [String: String?] {
    try await run("list the interfaces") { session in
      let links = try session.routes.links()
      let names = Dictionary(links.map { ($0.index, $0.name) }) { first, _ in first }
      var found: [String: String?] = [:]
      for link in links where prefixes.contains(where: { link.name.hasPrefix($0) }) {
        found[link.name] = .some(link.isUp ? link.master.flatMap { names[$0] } : nil)
      }
      return found
    }
  }

  package func remove(interfaces: [String]) async throws(EngineError) {
    try await run("remove interfaces that nothing needs") { session in
      for name in interfaces { try session.routes.removeLink(name) }
    }
  }
}

extension HostNetwork.Session {
  /// - Parameter lookingClosely: whether one that is up gets the addresses again that others have taken from it.
  /// - Returns: the bridge's index.
  func ensure(_ plan: BridgePlan, lookingClosely: Bool = false) throws -> UInt32 {
    // Also for one that is there: others on the machine may have turned it off.
    if !plan.isInternal { try Forwarding.enable(plan.ranges.map(\.subnet.family)) }
    if let link = try routes.link(named: plan.name), link.isUp {
      if lookingClosely { try addAddresses(plan, to: link) }
      return link.index
    }
    try refuseRouted(plan)
    if try routes.link(named: plan.name) == nil {
      do {
        try routes.addBridge(
          plan.name, mtu: plan.mtu, mac: MACAddress.bytes(for: plan.ranges.first?.gateway))
      } catch let error as NetlinkRefusal where error.errno == .fileExists {
        // Another service was first.
      }
      Failpoint.bridgeMade.pass()
    }
    guard let link = try routes.link(named: plan.name) else {
      throw EngineError(.conflict, "bridge \(plan.name) was removed while it was made", subject: plan.name)
    }
    // From who is connected to it, nobody takes routers' word.
    Sysctl.tryWrite("net/ipv6/conf/\(plan.name)/accept_ra", "0")
    try addAddresses(plan, to: link)
    // Last: one that is up is whole.
    try routes.setUp(link.index)
    Failpoint.bridgeUp.pass()
    return link.index
  }

  private func addAddresses(_ plan: BridgePlan, to link: RouteSocket.Link) throws {
    for range in plan.ranges {
      try routes.addAddress(range.gateway, prefix: range.subnet.prefix, to: link)
    }
  }

  /// A range that leads elsewhere by now must not be taken from there.
  private func refuseRouted(_ plan: BridgePlan) throws {
    let own = try routes.link(named: plan.name)?.index
    for range in plan.ranges {
      for route in try routes.routes(range.subnet.family)
      where !route.isWayOut && route.destination.overlaps(range.subnet) && route.interface != own {
        throw EngineError(
          .conflict,
          "the host has a route to \(route.destination), which \(range.subnet) is a part of or has a part of",
          subject: plan.name, hint: "make the network with another address range")
      }
    }
  }
}
