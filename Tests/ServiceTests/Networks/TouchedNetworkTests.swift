import LinuxSystem
import RPCModel
import TestSupport
import Testing

/// What other programs do to what the engine has made, and machines that are set up in other ways.
@Suite("Networks that others have touched", .requires(.networks))
struct TouchedNetworkTests {
  private func look(_ scene: NetworkScene) async throws {
    _ = try await scene.service.send(NetworkList.self, .init())
  }

  @Test(
    "rules that were taken out of the table come back with the next look, and with the next start",
    arguments: Account.available)
  func rules(account: Account) async throws {
    try await NetworkScene.with(account) { scene, _ in
      _ = try await scene.service.importBusybox(scene.store)
      try await scene.start("a")
      let rules = try await scene.amongNetworks("nft list ruleset")
      let table = try #require(rules.split(separator: " ").first { $0.hasPrefix("coracle_") })
      let flush = "nft flush table inet \(table)"
      let delete =
        "nft delete rule inet \(table) inward handle $(nft -a list chain inet \(table) inward | sed -n 's/.*established.*handle //p')"
      for damage in [flush, delete] {
        try await scene.amongNetworks(damage)
        let damaged = try await scene.amongNetworks("nft list ruleset")
        #expect(damaged != rules)
        try await look(scene)
        let looked = try await scene.amongNetworks("nft list ruleset")
        #expect(looked == rules, "\(damage)")
        try await scene.amongNetworks(damage)
        _ = try await scene.service.run(["true"]) { $0.network = .bridge }
        let started = try await scene.amongNetworks("nft list ruleset")
        #expect(started == rules, "\(damage)")
      }
      try await scene.removeAll()
    }
  }

  @Test(
    "a link that was set down and a bridge that has lost its addresses are whole after the next look",
    arguments: Account.available)
  func links(account: Account) async throws {
    try await NetworkScene.with(account) { scene, _ in
      _ = try await scene.service.importBusybox(scene.store)
      let network = try await scene.create("back")
      try await scene.start("a", [.init(network: "back")])
      try await scene.start("b", [.init(network: "back")])
      let peer = try #require(try await scene.interfaces().first { $0.hasPrefix("cv") })
      try await scene.amongNetworks("ip link set \(peer) down; ip addr flush dev \(network.interface)")
      #expect(try await scene.failsToReach("a", "b"))
      try await look(scene)
      #expect(try await scene.reaches("a", "b"))
      for gateway in network.subnets.compactMap(\.gateway) {
        #expect(try await scene.reaches("a", gateway), "\(gateway)")
        #expect(try await scene.reaches("b", gateway), "\(gateway)")
      }
      try await scene.removeAll()
    }
  }

  @Test(
    "who changes a container that does not run holds up no look, and no other's repair",
    arguments: Account.available)
  func busyContainer(account: Account) async throws {
    try await NetworkScene.with(account) { scene, _ in
      try await scene.importServer()
      let stopped = try await scene.service.send(
        ContainerCreate.self,
        .init(image: "busybox:1", name: "aaa", command: ["true"], networks: [.init(network: "bridge")])
      ).container
      let web = try await scene.serve("web", [.init(containerPort: 80)])
      let port = try #require(web.ports?.first?.hostPort)
      let directory = scene.store.store.appending("containers").appending(stopped.id)
      let busy = try await FileLock.acquire(directory, .exclusive, of: .directory)
      let giveUp = Task {
        try await Task.sleep(for: .seconds(600))
        busy.release()
      }
      let lock = scene.store.run.appending("containers/\(web.id)/ports.lock")
      guard case .process(let pid)? = try LifeLock.holder(of: lock) else {
        throw TestFailure("nobody has the port")
      }
      let forwarder = try ProcessDescriptor(pid: pid)
      try forwarder.signal(9)
      try await DescriptorWatcher.shared.readable(forwarder.descriptor)
      try await look(scene)
      #expect(try await scene.fetch(port) == "hello\n")
      giveUp.cancel()
      let outcome = await giveUp.result
      #expect(throws: CancellationError.self) { try outcome.get() }
      busy.release()
      try await scene.removeAll()
    }
  }

  @Test(
    "where IPv6 is turned off there are networks of IPv4, and those that have it already keep it",
    arguments: Account.available)
  func withoutIPv6(account: Account) async throws {
    try await NetworkScene.with(account) { scene, _ in
      try await scene.importServer()
      let before = try await scene.create("before")
      #expect(before.subnets.count == 2)
      try await scene.start("a", [.init(network: "before")])
      let off = "for n in all default; do echo 1 > /proc/sys/net/ipv6/conf/$n/disable_ipv6; done"
      try await scene.host.shell(off)
      if account == .ordinary { try await scene.amongNetworks(off) }
      let after = try await scene.create("after")
      #expect(after.subnets.map(\.subnet).allSatisfy { !$0.contains(":") })
      await scene.expect(
        .unsupported, of: NetworkCreate.self, .init(name: "x", subnets: [.init(subnet: "fd00:79::/64")]))
      let web = try await scene.serve("web", [.init(containerPort: 80)]) {
        $0.networks = [.init(network: "after")]
      }
      #expect(try await scene.fetch(#require(web.ports?.first?.hostPort)) == "hello\n")
      // It is the interfaces' own.
      try await scene.amongNetworks("ip link del \(before.interface)")
      try await look(scene)
      try await scene.start("b", [.init(network: "before")])
      for address in try await scene.addresses("a", "before") + before.subnets.compactMap(\.gateway) {
        #expect(try await scene.reaches("b", address), "\(address)")
      }
      try await scene.removeAll()
    }
  }

  @Test("packets are as large as on the machine's way to the outside", arguments: Account.available)
  func mtu(account: Account) async throws {
    try await NetworkScene.with(account) { scene, _ in
      _ = try await scene.service.importBusybox(scene.store)
      try await scene.host.shell("ip link set uplink mtu 1400")
      try await scene.start("a")
      let link = try await scene.shell("a", "/bin/busybox ip link show eth0")
      // Behind pasta, which takes packets apart, they are as large as it takes them.
      #expect(link.contains(account == .root ? "mtu 1400 " : "mtu 65520 "), "\(link)")
      try await scene.removeAll()
    }
  }
}
