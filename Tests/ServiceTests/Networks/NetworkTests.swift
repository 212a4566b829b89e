import Glibc
import RPCModel
import TestSupport
import Testing

@Suite("Networks", .requires(.networks))
struct NetworkTests {
  @Test("containers of one network reach each other by name, id and alias, in both families")
  func names() async throws {
    try await NetworkScene.with { scene in
      _ = try await scene.create("back")
      let first = try await scene.start("first", [.init(network: "back", aliases: ["alpha", "db.test"])])
      try await scene.start("second", [.init(network: "back")])
      for name in ["first", "alpha", "db.test", String(first.id.prefix(12))] {
        #expect(try await scene.reaches("second", name), "\(name)")
      }
      // Whoever was there before knows who came later.
      #expect(try await scene.reaches("first", "second"))
      for address in try await scene.addresses("first", "back") {
        #expect(try await scene.reaches("second", address), "\(address)")
      }
      // A container knows its own host name by its address, and so does who asks for it.
      let own = try await scene.shell("first", "hostname; grep $(hostname) /etc/hosts")
      #expect(own.contains(try await scene.addresses("first", "back")[0]))
    }
  }

  @Test("names follow a restart, a rename, a stop and start by another service, and the container's end")
  func followingNames() async throws {
    try await NetworkScene.with { scene in
      _ = try await scene.create("back")
      let first = try await scene.start("first", [.init(network: "back")])
      try await scene.start("second", [.init(network: "back")])
      let before = try await scene.addresses("first", "back")
      _ = try await scene.service.send(ContainerRestart.self, .init(container: "first", timeoutMs: 0))
      #expect(try await scene.addresses("first", "back") == before)
      #expect(try await scene.reaches("second", "first"))
      _ = try await scene.service.send(ContainerRename.self, .init(container: "first", name: "primus"))
      #expect(try await scene.reaches("second", "primus"))
      #expect(try await !scene.shell("second", "cat /etc/hosts").contains("first"))
      _ = try await scene.service.send(ContainerStop.self, .init(container: "primus", timeoutMs: 0))
      let other = try await scene.store.service("other")
      _ = try await other.send(ContainerStart.self, .init(container: "primus"))
      #expect(await other.stop() == 0)
      #expect(try await scene.reaches("second", "primus"))
      #expect(try await scene.addresses("primus", "back") == before)
      _ = try await scene.service.send(ContainerRemove.self, .init(container: first.id, force: true))
      #expect(try await !scene.shell("second", "cat /etc/hosts").contains("primus"))
    }
  }

  @Test("containers that start at the same time know each other's names", arguments: Account.available)
  func namesTogether(account: Account) async throws {
    try await NetworkScene.with(account) { scene, _ in
      _ = try await scene.service.importBusybox(scene.store)
      _ = try await scene.create("back")
      for round in 0..<3 {
        try await withThrowingTaskGroup { group in
          for number in 0..<8 {
            group.addTask { _ = try await scene.start("c\(round)-\(number)", [.init(network: "back")]) }
          }
          try await group.waitForAll()
        }
        let members = try await scene.service.send(NetworkInspect.self, .init(network: "back")).endpoints
        #expect(members.count == 8)
        for reader in members {
          let hosts = try await scene.shell(reader.containerName, "cat /etc/hosts").split(separator: "\n")
          for member in members {
            let address = try #require(member.ipv4?.prefix { $0 != "/" })
            let isKnown = hosts.contains {
              let words = $0.split(whereSeparator: \.isWhitespace)
              return words.first == address && words.contains { $0 == member.containerName }
            }
            #expect(isKnown, "\(reader.containerName) does not know \(member.containerName): \(hosts)")
          }
        }
        try await scene.removeContainers()
      }
      try await scene.removeAll()
    }
  }

  @Test(
    "a container knows a name that another got while it started, before its row said that it runs",
    arguments: Account.available)
  func renamedMeanwhile(account: Account) async throws {
    try await NetworkScene.with(account) { scene, _ in
      _ = try await scene.service.importBusybox(scene.store)
      _ = try await scene.create("back")
      try await scene.start("former", [.init(network: "back")])
      _ = try await scene.service.send(
        ContainerCreate.self,
        .init(
          .init(
            image: "busybox:1", name: "late", command: ["sleep", "10000"], networks: [.init(network: "back")],
            initProcess: true)))
      // By then its own file is written; whoever renames writes those of containers that run.
      try await scene.database(
        """
        CREATE TRIGGER meanwhile AFTER UPDATE OF state ON containers WHEN NEW.state = 'running' BEGIN
          UPDATE containers SET name = 'renamed' WHERE name = 'former';
        END
        """)
      _ = try await scene.service.send(ContainerStart.self, .init(container: "late"))
      let hosts = try await scene.shell("late", "cat /etc/hosts")
      #expect(hosts.contains("renamed") && !hosts.contains("former"), "\(hosts)")
      try await scene.removeAll()
    }
  }

  @Test("a container that its policy starts again, while no service runs, has its networks still")
  func restartWithoutService() async throws {
    try await NetworkScene.with { scene in
      let doomed = try await scene.store.service("doomed")
      let first = try await scene.start("first", by: doomed) {
        $0.initProcess = nil
        $0.restart = .init(kind: .always)
      }
      try await scene.start("second")
      let pid = try #require(first.pid)
      doomed.process.kill(SIGKILL)
      _ = await doomed.process.waitForExit()
      kill(Int32(clamping: pid), SIGKILL)
      _ = try await scene.service.send(
        ContainerWait.self, .init(container: "first", until: .init(condition: .running), timeoutMs: 120_000))
      try await scene.waitForRestart("first")
      for address in try await scene.addresses("first", "bridge") {
        #expect(try await scene.reaches("second", address))
      }
      #expect(try await scene.reaches("first", "second"))
    }
  }

  @Test("networks do not reach each other; who is in both reaches both")
  func isolation() async throws {
    try await NetworkScene.with { scene in
      _ = try await scene.create("one")
      _ = try await scene.create("two")
      try await scene.start("a", [.init(network: "one")])
      try await scene.start("b", [.init(network: "two")])
      try await scene.start("both", [.init(network: "one"), .init(network: "two", aliases: ["bridgehead"])])
      for address in try await scene.addresses("b", "two") {
        #expect(try await scene.failsToReach("a", address), "\(address)")
        #expect(try await scene.reaches("both", address), "\(address)")
      }
      #expect(try await scene.reaches("both", "a"))
      #expect(try await scene.reaches("both", "b"))
      #expect(try await scene.reaches("b", "bridgehead"))
      #expect(try await !scene.shell("a", "cat /etc/hosts").contains("bridgehead"))
      // One that joins another's has the same interfaces and names.
      let joined = try await scene.service.run(["cat", "/etc/hosts"]) {
        $0.network = .container
        $0.networkContainer = "both"
      }
      #expect(joined.stdout == (try await scene.shell("both", "cat /etc/hosts")))
      // What others have on this machine is never touched: all rules are in one table.
      let tables = try await scene.host.shell("nft list tables").split(separator: "\n")
      #expect(tables.count == 1 && tables[0].hasPrefix("table inet coracle_"), "\(tables)")
    }
  }

  @Test(
    "the outside is reached with the host's address, and reaches no container; an internal network has none")
  func outside() async throws {
    try await NetworkScene.with { scene in
      let outside = try await TestNetwork()
      try await scene.host.connect(outside)
      _ = try await scene.create("inner") { $0.internalOnly = true }
      try await scene.start("open")
      try await scene.start("closed", [.init(network: "inner")])
      try await scene.start("closed2", [.init(network: "inner")])
      // Nothing out there has a way back to a container's own address.
      for address in ["192.0.2.2", "2001:db8::2"] {
        #expect(try await scene.reaches("open", address), "\(address)")
        #expect(try await scene.failsToReach("closed", address), "\(address)")
      }
      #expect(try await scene.reaches("closed", "closed2"))
      #expect(try await !scene.shell("closed", "/bin/busybox ip route").contains("default"))
      // Not even where somebody has one.
      let network = try await scene.service.send(NetworkInspect.self, .init(network: "bridge")).network
      for subnet in network.subnets {
        let host = subnet.subnet.contains(":") ? "2001:db8::1" : "192.0.2.1"
        try await outside.shell("ip route add \(subnet.subnet) via \(host)")
      }
      for address in try await scene.addresses("open", "bridge") {
        try await outside.shell("! ping -c 1 -W 1 \(address) > /dev/null 2>&1")
      }
    }
  }

  @Test("connecting and disconnecting a container that runs, and one that does not")
  func connections() async throws {
    try await NetworkScene.with { scene in
      _ = try await scene.service.send(EventSubscribe.self, .init(kinds: ["network."]))
      _ = try await scene.create("one")
      let two = try await scene.create("two") { $0.subnets = [.init(subnet: "10.77.0.0/24")] }
      #expect(two.subnets.map(\.gateway) == ["10.77.0.1"])
      try await scene.start("a", [.init(network: "one")])
      try await scene.start("b", [.init(network: "two")])
      let answer = try await scene.service.send(
        NetworkConnect.self,
        .init(network: "two", container: "a", aliases: ["also-a"], ipv4: "10.77.0.9")
      ).endpoint
      #expect(answer.ipv4 == "10.77.0.9/24" && answer.ipv6 == nil && answer.interface == "eth1")
      #expect(try await scene.reaches("b", "also-a"))
      #expect(try await scene.reaches("a", "b"))
      await scene.expect(.alreadyExists, of: NetworkConnect.self, .init(network: "two", container: "a"))
      _ = try await scene.service.send(NetworkDisconnect.self, .init(network: "one", container: "a"))
      #expect(try await !scene.shell("a", "/bin/busybox ip addr").contains("eth0"))
      // The way to the outside is the other network's now.
      #expect(try await scene.shell("a", "/bin/busybox ip route").contains("default via 10.77.0.1"))
      #expect(try await scene.reaches("b", "also-a"))
      await scene.expect(.notFound, of: NetworkDisconnect.self, .init(network: "one", container: "a"))
      _ = try await scene.service.send(ContainerStop.self, .init(container: "a", timeoutMs: 0))
      _ = try await scene.service.send(NetworkConnect.self, .init(network: "one", container: "a"))
      _ = try await scene.service.send(ContainerStart.self, .init(container: "a"))
      #expect(try await scene.shell("a", "/bin/busybox ip addr").contains("eth0"))
      #expect(try await scene.reaches("b", "a"))
      // The last one may come behind the answer.
      await scene.service.notifications.wait { all in
        all.count {
          if case .eventOccurred(let event) = $0 { event.kind == "network.connected" } else { false }
        } >= 4
      }
      let kinds = scene.service.notifications.events.map(\.kind)
      #expect(kinds.filter { $0 == "network.created" }.count == 2)
      #expect(kinds.filter { $0 == "network.connected" }.count == 4)
      #expect(kinds.filter { $0 == "network.disconnected" }.count == 1)
    }
  }

  @Test("the way to the outside is, of each family, that of the first network that has one")
  func waysOut() async throws {
    try await NetworkScene.with { scene in
      _ = try await scene.create("narrow") { $0.subnets = [.init(subnet: "10.77.0.0/24")] }
      let wide = try await scene.create("wide") {
        $0.subnets = [.init(subnet: "10.78.0.0/24"), .init(subnet: "fd00:78::/64")]
      }
      #expect(wide.subnets.map(\.gateway) == ["10.78.0.1", "fd00:78::1"])
      func ways(_ container: String) async throws -> [String] {
        let routes = try await scene.shell(container, "/bin/busybox ip route; /bin/busybox ip -6 route")
        return routes.split(separator: "\n").filter { $0.hasPrefix("default") }.compactMap {
          $0.split(separator: " ").dropFirst(2).first.map(String.init)
        }
      }
      try await scene.start("a", [.init(network: "narrow"), .init(network: "wide")])
      #expect(try await ways("a") == ["10.77.0.1", "fd00:78::1"])
      try await scene.start("b", [.init(network: "narrow")])
      #expect(try await ways("b") == ["10.77.0.1"])
      _ = try await scene.service.send(NetworkConnect.self, .init(network: "wide", container: "b"))
      #expect(try await ways("b") == ["10.77.0.1", "fd00:78::1"])
      _ = try await scene.service.send(NetworkDisconnect.self, .init(network: "narrow", container: "b"))
      #expect(try await ways("b") == ["10.78.0.1", "fd00:78::1"])
      _ = try await scene.service.send(NetworkConnect.self, .init(network: "narrow", container: "b"))
      let again = try await ways("b")
      _ = try await scene.service.send(ContainerRestart.self, .init(container: "b", timeoutMs: 0))
      #expect(try await ways("b") == again)
      #expect(again.count == 2)
    }
  }

  @Test("fixed addresses are given once, and ranges only where they are free")
  func ranges() async throws {
    try await NetworkScene.with { scene in
      try await scene.host.shell(
        """
        ip link add other type bridge; ip addr add 10.99.0.1/16 dev other
        ip addr add 10.66.0.5/32 dev other; ip link set other up
        """)
      _ = try await scene.create("back") {
        $0.subnets = [.init(subnet: "10.77.0.0/29", gateway: "10.77.0.6"), .init(subnet: "fd00:77::/64")]
        $0.mtu = 1400
      }
      try await scene.start("a", [.init(network: "back", ipv4: "10.77.0.3", ipv6: "fd00:77::abc")])
      #expect(try await scene.addresses("a", "back") == ["10.77.0.3", "fd00:77::abc"])
      let interface = try await scene.shell("a", "/bin/busybox ip addr show eth0; /bin/busybox ip route")
      #expect(interface.contains("mtu 1400") && interface.contains("default via 10.77.0.6"))
      func creation(_ attachment: NetworkAttachment) -> ContainerCreate.Params {
        .init(.init(image: "busybox:1", command: ["true"], networks: [attachment]))
      }
      await scene.expect(
        .inUse, of: ContainerCreate.self, creation(.init(network: "back", ipv4: "10.77.0.3")))
      for address in ["10.77.0.6", "10.77.0.0", "10.77.0.7", "10.77.1.1", "fd00:77::2", "nonsense"] {
        await scene.expect(
          .invalidArgument, of: ContainerCreate.self, creation(.init(network: "back", ipv4: address)))
      }
      await scene.expect(.notFound, of: ContainerCreate.self, creation(.init(network: "nowhere")))
      await scene.expect(
        .invalidArgument, of: ContainerCreate.self, creation(.init(network: "back", aliases: ["a b"])))
      await scene.expect(.alreadyExists, of: NetworkCreate.self, .init(name: "back"))
      for name in ["none", "host", "", "a/b"] {
        await scene.expect(.invalidArgument, of: NetworkCreate.self, .init(name: name))
      }
      for taken in ["10.77.0.0/24", "10.99.3.0/24", "10.66.0.0/24", "fd00:77::/80"] {
        await scene.expect(
          .conflict, of: NetworkCreate.self, .init(name: "x", subnets: [.init(subnet: taken)]))
      }
      for wrong in [
        "10.1.0.1/24", "10.1.0.0/31", "ten", "127.5.0.0/24", "224.0.1.0/24", "0.0.0.0/0", "fe80::/64",
        "169.254.3.0/24",
      ] {
        await scene.expect(
          .invalidArgument, of: NetworkCreate.self, .init(name: "x", subnets: [.init(subnet: wrong)]))
      }
      // Of IPv6 an interface has none where packets are as small.
      let small = try await scene.create("small") { $0.mtu = 576 }
      #expect(small.subnets.count == 1)
      try await scene.start("tiny", [.init(network: "small")])
      #expect(try await scene.shell("tiny", "/bin/busybox ip link show eth0").contains("mtu 576 "))
      await scene.expect(
        .invalidArgument, of: NetworkCreate.self,
        .init(name: "x", subnets: [.init(subnet: "fd00:79::/64")], mtu: 1279))
      await scene.expect(.inUse, of: NetworkRemove.self, .init(network: "back"))
      // Three are left: the first one is the host's of IPv6.
      for name in ["b", "c", "d"] { try await scene.start(name, [.init(network: "back")]) }
      await scene.expect(.noSpace, of: ContainerCreate.self, creation(.init(network: "back")))
      _ = try await scene.service.send(ContainerRemove.self, .init(container: "c", force: true))
      try await scene.start("f", [.init(network: "back")])
    }
  }

  @Test(
    "a range is chosen, or is there again, only where no route of the host's leads",
    arguments: Account.available)
  func chosenRanges(account: Account) async throws {
    try await NetworkScene.with(account) { scene, _ in
      _ = try await scene.service.importBusybox(scene.store)
      // Of what the engine chooses from, all but the last two; and half of IPv6's.
      let routed = [
        "10.160.0.0/12", "10.176.0.0/13", "10.184.0.0/14", "10.188.0.0/15", "10.190.0.0/16", "10.191.0.0/17",
        "10.191.128.0/18", "10.191.192.0/19",
      ]
      for range in routed { try await scene.host.shell("ip route add \(range) via 192.0.2.2") }
      try await scene.host.shell(
        "ip route add unreachable 10.191.224.0/20; ip route add fd00::/9 via 2001:db8::2")
      let one = try await scene.create("one")
      #expect(one.subnets.first?.subnet == "10.191.240.0/20")
      #expect(
        one.subnets.last.map { ("fd8"..."fdf").contains($0.subnet.prefix(3)) } == true, "\(one.subnets)")
      // Then it is of another range, and at last of none.
      let other = try await scene.create("other")
      #expect(other.subnets.first?.subnet.hasPrefix("172.") == true, "\(other.subnets)")
      for range in ["172.24.0.0/13", "192.168.0.0/16", "100.64.0.0/10"] {
        try await scene.host.shell("ip route add \(range) via 192.0.2.2")
      }
      await scene.expect(.noSpace, of: NetworkCreate.self, .init(name: "two"))
      await scene.expect(
        .conflict, of: NetworkCreate.self, .init(name: "two", subnets: [.init(subnet: "10.191.225.0/24")]))
      try await scene.host.shell("ip route del unreachable 10.191.224.0/20")
      let two = try await scene.create("two")
      #expect(two.subnets.first?.subnet == "10.191.224.0/20")
      try await scene.start("a", [.init(network: "one")])
      try await scene.start("b", [.init(network: "one")])
      #expect(try await scene.reaches("a", "b"))
      if account == .root {
        // As when the machine comes back with another route: that is not taken away.
        try await scene.host.shell("ip link del \(two.interface); ip route add 10.191.224.0/24 via 192.0.2.2")
        await scene.expect(
          .conflict, of: ContainerRun.self,
          .init(image: "busybox:1", command: ["true"], networks: [.init(network: "two")], detach: true))
        try await scene.host.shell("ip route del 10.191.224.0/24")
        try await scene.start("c", [.init(network: "two")])
      }
      try await scene.removeAll()
    }
  }

  @Test(
    "a VPN's halves of a default route are no ranges that are taken: they are the way to the outside",
    arguments: Account.available)
  func halfDefaultRoutes(account: Account) async throws {
    try await NetworkScene.with(account) { scene, _ in
      _ = try await scene.service.importBusybox(scene.store)
      try await scene.host.shell(
        """
        for range in 0.0.0.0/1 128.0.0.0/1; do ip route add $range via 192.0.2.2; done
        for range in ::/1 8000::/1 fc00::/7; do ip route add $range via 2001:db8::2; done
        """)
      let one = try await scene.create("one")
      #expect(one.subnets.count == 2, "\(one.subnets)")
      let two = try await scene.create("two") { $0.subnets = [.init(subnet: "10.99.0.0/24")] }
      for network in ["one", "two"] {
        try await scene.start("\(network)-a", [.init(network: network)])
        try await scene.start("\(network)-b", [.init(network: network)])
        #expect(try await scene.reaches("\(network)-a", "\(network)-b"))
      }
      if account == .root {
        #expect(try await scene.reaches("one-a", "192.0.2.2"))
        // As after a start of the machine with the VPN.
        try await scene.host.shell("ip link del \(two.interface)")
        _ = try await scene.service.send(NetworkList.self, .init())
        #expect(try await scene.reaches("two-a", "two-b"))
        try await scene.host.shell(
          """
          ip link add tunnel mtu 1400 type veth peer name far; ip link set far up; ip link set tunnel up
          for range in 0.0.0.0/1 128.0.0.0/1; do ip route replace $range dev tunnel; done
          """)
        #expect(try await scene.create("three").mtu == 1400)
      }
      try await scene.removeAll()
    }
  }

  @Test("name servers and hosts are as they are asked for")
  func nameFiles() async throws {
    try await NetworkScene.with { scene in
      let files = try await scene.service.run(["cat", "/etc/resolv.conf", "/etc/hosts"]) {
        $0.network = .bridge
        $0.dns = .init(servers: ["192.0.2.53", "2001:db8::53"], searches: ["one.test"], options: ["ndots:2"])
        $0.extraHosts = [
          .init(name: "fixed", address: "192.0.2.7"), .init(name: "host", address: "host-gateway"),
        ]
      }.stdout
      let network = try await scene.service.send(NetworkInspect.self, .init(network: "bridge")).network
      #expect(
        files.hasPrefix(
          "nameserver 192.0.2.53\nnameserver 2001:db8::53\nsearch one.test\noptions ndots:2\n127.0.0.1\tlocalhost\n"
        ))
      #expect(files.contains("192.0.2.7\tfixed\n"))
      for subnet in network.subnets { #expect(files.contains("\(try #require(subnet.gateway))\thost\n")) }
      let lonely = try await scene.service.run(["cat", "/etc/hosts"]) {
        $0.extraHosts = [.init(name: "fixed", address: "192.0.2.7")]
      }.stdout
      #expect(lonely.contains("192.0.2.7\tfixed\n"))
      await scene.expect(
        .invalidArgument, of: ContainerCreate.self,
        .init(.init(image: "busybox:1", extraHosts: [.init(name: "x", address: "1.2.3.4 evil")])))
    }
  }

  @Test("a network of a session goes with it")
  func session() async throws {
    try await NetworkScene.with { scene in
      let other = try await scene.store.service("other")
      _ = try await other.send(NetworkCreate.self, .init(name: "brief", lifetime: .session))
      try await scene.start("a", [.init(network: "brief")], by: other) { $0.lifetime = .session }
      #expect(try await scene.interfaces().count == 2)
      #expect(await other.stop() == 0)
      #expect(try await scene.service.send(NetworkList.self, .init()).networks.isEmpty)
      try await scene.waitForInterfaces(0)
    }
  }

  @Test("unused networks are pruned only where they are asked for")
  func pruned() async throws {
    try await NetworkScene.with { scene in
      _ = try await scene.create("unused")
      _ = try await scene.create("used")
      try await scene.start("a", [.init(network: "used")])
      let all = try await scene.service.send(SystemPrune.self, .init()).items
      #expect(!all.contains { $0.kind == .network })
      var params = SystemPrune.Params(kinds: [.network])
      let plan = try await scene.service.send(SystemPrune.self, params).items
      #expect(plan.map(\.name) == ["unused"])
      params.apply = plan.map(\.id)
      #expect(try await scene.service.send(SystemPrune.self, params).items.map(\.outcome) == [.removed])
      #expect(try await scene.service.send(NetworkList.self, .init()).networks.map(\.name) == ["used"])
    }
  }

  @Test("a network's age without use begins with the end of its last connection")
  func prunedByAge() async throws {
    try await NetworkScene.with { scene in
      for name in ["never", "removed", "disconnected"] { _ = try await scene.create(name) }
      try await scene.start("a", [.init(network: "removed")])
      try await scene.start("b", [.init(network: "disconnected")])
      // All are of long ago.
      try await scene.database("UPDATE networks SET createdAt = 1, unusedSince = 1")
      _ = try await scene.service.send(ContainerRemove.self, .init(container: "a", force: true))
      _ = try await scene.service.send(
        NetworkDisconnect.self, .init(network: "disconnected", container: "b"))
      var params = SystemPrune.Params(kinds: [.network], unusedForMs: 86_400_000)
      #expect(try await scene.service.send(SystemPrune.self, params).items.map(\.name) == ["never"])
      params.unusedForMs = nil
      let all = try await scene.service.send(SystemPrune.self, params).items
      #expect(Set(all.map(\.name)) == ["never", "removed", "disconnected"])
    }
  }

  @Test("a container's own way to the outside stays as it is when networks come and go")
  func ownWayOut() async throws {
    try await NetworkScene.with { scene in
      _ = try await scene.create("one")
      _ = try await scene.create("two")
      let container = try await scene.start("a", [.init(network: "one")])
      let inside = "nsenter --net=/proc/\(try #require(container.pid))/ns/net --"
      try await scene.host.shell(
        """
        \(inside) ip link add tunnel type veth peer name far
        \(inside) ip link set far up; \(inside) ip link set tunnel up
        \(inside) ip route replace default dev tunnel
        \(inside) ip -6 route del default; \(inside) ip -6 route add default dev tunnel
        """)
      func ways() async throws -> [String] {
        let routes = try await scene.host.shell("\(inside) ip route; \(inside) ip -6 route")
        return routes.split(separator: "\n").filter { $0.hasPrefix("default") }.map {
          $0.split(separator: " ").prefix(3).joined(separator: " ")
        }
      }
      let own = ["default dev tunnel", "default dev tunnel"]
      #expect(try await ways() == own)
      _ = try await scene.service.send(NetworkConnect.self, .init(network: "two", container: "a"))
      #expect(try await ways() == own)
      _ = try await scene.service.send(NetworkDisconnect.self, .init(network: "one", container: "a"))
      #expect(try await ways() == own)
      _ = try await scene.service.send(NetworkConnect.self, .init(network: "one", container: "a"))
      #expect(try await ways() == own)
      // One that has none of its own gets the network's back.
      try await scene.host.shell("\(inside) ip link del tunnel")
      _ = try await scene.service.send(NetworkDisconnect.self, .init(network: "two", container: "a"))
      let back = try await ways()
      #expect(back.count == 2 && back.allSatisfy { $0.hasPrefix("default via ") }, "\(back)")
    }
  }

  @Test("a connection that fails late leaves the container the way to the outside that it had")
  func failedConnection() async throws {
    try await NetworkScene.with { scene in
      let one = try await scene.create("one")
      let two = try await scene.create("two")
      try await scene.start("a", [.init(network: "one"), .init(network: "two")])
      _ = try await scene.service.send(NetworkDisconnect.self, .init(network: "one", container: "a"))
      // No link can be given to this.
      try await scene.host.shell(
        "ip link del \(one.interface); ip link add \(one.interface) type veth peer name far; ip link set \(one.interface) up"
      )
      await #expect(throws: (any Error).self) {
        _ = try await scene.service.send(NetworkConnect.self, .init(network: "one", container: "a"))
      }
      let routes = try await scene.shell("a", "/bin/busybox ip route; /bin/busybox ip -6 route")
      for gateway in two.subnets.compactMap(\.gateway) {
        #expect(routes.contains("default via \(gateway) "), "\(routes)")
      }
      #expect(try await !scene.shell("a", "/bin/busybox ip link").contains("eth0"))
      let members = try await scene.service.send(NetworkInspect.self, .init(network: "one")).endpoints
      #expect(members.isEmpty)
    }
  }

  @Test("what has been done is not refused because names cannot be written; they are with the next look")
  func unwritableNames() async throws {
    try await NetworkScene.with { scene in
      _ = try await scene.create("back")
      for name in ["a", "b", "c"] { try await scene.start(name, [.init(network: "back")]) }
      let lock = scene.store.store.appending("networks.lock").string
      try #require(rename(lock, lock + ".aside") == 0 && mkdir(lock, 0o700) == 0)
      _ = try await scene.service.send(ContainerRename.self, .init(container: "b", name: "other"))
      _ = try await scene.service.send(ContainerRemove.self, .init(container: "c", force: true))
      try #require(rmdir(lock) == 0 && rename(lock + ".aside", lock) == 0)
      _ = try await scene.service.send(NetworkList.self, .init())
      let words = try await scene.shell("a", "cat /etc/hosts").split(whereSeparator: \.isWhitespace)
      #expect(words.contains("other") && !words.contains("b") && !words.contains("c"), "\(words)")
    }
  }
}
