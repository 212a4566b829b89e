package import EngineErrors
import LinuxSystem
package import SystemPackage

extension HostNetwork {
  /// A new network namespace in which only the loopback interface is there, and up.
  ///
  /// - Returns: its descriptor, the caller's; the namespace lasts for as long as somebody has it open or is in it.
  package func makeNamespace() async throws(EngineError) -> FileDescriptor {
    try await run("make a network namespace") { session in
      try session.elsewhere({ try NetworkNamespace.enterNew() }) {
        let namespace = try NetworkNamespace.current()
        do {
          try HostNetwork.prepareNamespace()
          return namespace
        } catch {
          try? namespace.close()
          throw error
        }
      }
    }
  }

  /// The same for one that is there already: a user namespace's, which alone can make one that it owns.
  package func prepare(_ namespace: FileDescriptor) async throws(EngineError) {
    try await run("make a network namespace") { session in
      try session.elsewhere({ try NetworkNamespace.enter(namespace) }) { try HostNetwork.prepareNamespace() }
    }
  }

  /// In the calling thread's.
  private static func prepareNamespace() throws {
    let inside = try RouteSocket()
    if let loopback = try inside.link(named: "lo") { try inside.setUp(loopback.index) }
    // Of whoever is in the same network, nobody is taken for a router.
    Sysctl.tryWrite("net/ipv6/conf/default/accept_ra", "0")
    // Leases see to it that no address is there twice.
    Sysctl.tryWrite("net/ipv6/conf/default/accept_dad", "0")
    // There is nobody else whose ports these could be.
    Sysctl.tryWrite("net/ipv4/ip_unprivileged_port_start", "0")
    Sysctl.tryWrite("net/ipv4/ping_group_range", "0 2147483647")
  }

  /// Connects a network namespace to networks, whose bridges are made where they are missing. A link that is half there is made
  /// anew.
  ///
  /// - Parameter ways: all links that it is to have, where it has been used already, as in `route`.
  package func attach(
    _ links: [LinkPlan], to namespace: FileDescriptor, routing ways: [LinkPlan]? = nil
  ) async throws(EngineError) {
    try await run("connect a container to its networks") { session in
      for link in links { try session.attach(link, to: namespace, routing: ways) }
    }
  }

  /// One that is gone is fine.
  package func detach(_ peer: String) async throws(EngineError) {
    try await run("disconnect a container from a network") { session in try session.routes.removeLink(peer) }
  }

  /// Gives a namespace the ways to the outside that it is to have now, and takes others away; but for those through an interface that
  /// is not of a network's, which are the container's own.
  ///
  /// - Parameter links: all that it has.
  package func route(by links: [LinkPlan], in namespace: FileDescriptor) async throws(EngineError) {
    try await run("set a container's routes") { session in
      try session.elsewhere({ try NetworkNamespace.enter(namespace) }) {
        let inside = try RouteSocket()
        for family in [IPAddress.Family.v4, .v6] { try session.route(family, by: links, inside) }
      }
    }
  }

  /// Gives a namespace the ways to the outside that it has lost, or that lead through an interface which it is about to lose. Others
  /// are the container's own.
  ///
  /// - Parameter links: all that it is to have.
  package func restoreRoutes(by links: [LinkPlan], in namespace: FileDescriptor) async throws(EngineError) {
    try await run("set a container's routes") { session in
      try session.elsewhere({ try NetworkNamespace.enter(namespace) }) {
        let inside = try RouteSocket()
        for family in [IPAddress.Family.v4, .v6] {
          if let way = try session.wayOut(family, inside), links.contains(where: { $0.interface == way }) {
            continue
          }
          try session.route(family, by: links, inside)
        }
      }
    }
  }
}

extension HostNetwork.Session {
  /// In the namespace that the calling thread is in.
  fileprivate func route(_ family: IPAddress.Family, by links: [LinkPlan], _ inside: RouteSocket) throws {
    if let way = try wayOut(family, inside), !way.hasPrefix("eth") { return }
    let ways = links.lazy.compactMap { link in
      link.gateways.first { $0.family == family }.map { (interface: link.interface, gateway: $0) }
    }
    if let way = ways.first, let link = try inside.link(named: way.interface) {
      try inside.addDefaultRoute(by: way.gateway, on: link.index, isRelayed: isRelayed)
    } else {
      try inside.removeDefaultRoute(family)
    }
  }

  /// The name of the interface through which the default route leads; nil where there is none.
  fileprivate func wayOut(_ family: IPAddress.Family, _ inside: RouteSocket) throws -> String? {
    let route = try inside.routes(family).first { $0.destination.prefix == 0 && $0.interface != nil }
    guard let index = route?.interface else { return nil }
    return try inside.links().first { $0.index == index }?.name
  }

  /// Runs `body` in another network namespace, and comes home.
  func elsewhere<T>(_ enter: () throws -> Void, _ body: () throws -> T) throws -> T {
    try enter()
    let result = Result { try body() }
    // A thread that did not come home would do all that follows in a container.
    do { try NetworkNamespace.enter(home) } catch {
      fatalError("cannot go back to the host's network: \(error)")
    }
    return try result.get()
  }

  func attach(_ plan: LinkPlan, to namespace: FileDescriptor, routing ways: [LinkPlan]?) throws {
    let bridge = try ensure(plan.bridge)
    func add() throws {
      try routes.addPair(
        plan.peer, mtu: plan.bridge.mtu, peer: plan.interface, mac: plan.macAddress, in: namespace.rawValue)
    }
    do { try add() } catch let error as NetlinkRefusal where error.errno == .fileExists {
      // Of the container's last run, whose namespace the kernel is about to take down; or half made.
      try routes.removeLink(plan.peer)
      // With its peer in a network that has lost its keeper, and that another service has open still.
      try elsewhere({ try NetworkNamespace.enter(namespace) }) {
        try RouteSocket().removeLink(plan.interface)
      }
      try add()
    }
    Failpoint.linkMade.pass()
    try elsewhere({ try NetworkNamespace.enter(namespace) }) {
      let inside = try RouteSocket()
      guard let link = try inside.link(named: plan.interface) else {
        throw EngineError(
          .conflict, "interface \(plan.interface) was removed while it was made", subject: plan.interface)
      }
      for address in plan.addresses {
        let range = plan.bridge.ranges.first { $0.subnet.contains(address) }
        try inside.addAddress(address, prefix: range?.subnet.prefix ?? address.family.length, to: link)
      }
      try inside.setUp(link.index)
      if let ways {
        for family in [IPAddress.Family.v4, .v6] { try route(family, by: ways, inside) }
      } else {
        for gateway in plan.gateways {
          try inside.addDefaultRoute(by: gateway, on: link.index, isRelayed: isRelayed)
        }
      }
    }
    // Last: one that is its bridge's is whole.
    guard let peer = try routes.link(named: plan.peer) else {
      throw EngineError(.conflict, "interface \(plan.peer) was removed while it was made", subject: plan.peer)
    }
    try routes.setMaster(peer.index, bridge)
    Failpoint.linkReady.pass()
  }
}
