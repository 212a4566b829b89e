import Glibc
import RPCModel
import TestSupport
import Testing

/// Networks of an ordinary user, which are all in one network namespace of the user's.
@Suite(
  "An ordinary user's networks", .requires(.networks),
  .enabled("needs an ordinary user") { Account.available.contains(.ordinary) })
struct UserNetworkTests {
  @Test(
    "names, aliases and addresses of both families lead to who is in the same network, and to nobody else")
  func names() async throws {
    try await NetworkScene.with(.ordinary) { scene, _ in
      _ = try await scene.service.importBusybox(scene.store)
      _ = try await scene.create("one")
      _ = try await scene.create("two") { $0.internalOnly = true }
      let first = try await scene.start("a", [.init(network: "one", aliases: ["alpha", "db.test"])])
      try await scene.start("b", [.init(network: "two")])
      try await scene.start("both", [.init(network: "one"), .init(network: "two", aliases: ["bridgehead"])])
      for name in ["a", "alpha", "db.test", String(first.id.prefix(12))] {
        #expect(try await scene.reaches("both", name), "\(name)")
      }
      #expect(try await scene.reaches("b", "bridgehead"))
      for address in try await scene.addresses("b", "two") {
        #expect(try await scene.reaches("both", address), "\(address)")
        #expect(try await scene.failsToReach("a", address), "\(address)")
      }
      // As others' name servers are not to be had, one that is always there is asked by way of pasta.
      let servers = try await scene.shell("a", "grep -c ^nameserver /etc/resolv.conf")
      #expect(Int(servers.dropLast()) ?? 0 > 0)
      // The kernel heeds it only where it is locked.
      let pid = try #require(first.pid)
      let route = try await ChildProcess.run(["nsenter", "--net=/proc/\(pid)/ns/net", "ip", "route"]).text
      #expect(route.contains("rto_min lock 5ms"), "\(route)")
      let tables = try await scene.amongNetworks("nft list tables")
      #expect(!tables.isEmpty)
    }
  }

  @Test("connections, names and fixed addresses follow connects, restarts and renames")
  func connections() async throws {
    try await NetworkScene.with(.ordinary) { scene, _ in
      _ = try await scene.service.importBusybox(scene.store)
      _ = try await scene.create("one")
      _ = try await scene.create("two") { $0.subnets = [.init(subnet: "10.77.0.0/24")] }
      try await scene.start("a", [.init(network: "one")])
      try await scene.start("b", [.init(network: "two")])
      let added = try await scene.service.send(
        NetworkConnect.self, .init(network: "two", container: "a", aliases: ["also-a"], ipv4: "10.77.0.9")
      ).endpoint
      #expect(added.ipv4 == "10.77.0.9/24")
      #expect(try await scene.reaches("b", "also-a"))
      _ = try await scene.service.send(NetworkDisconnect.self, .init(network: "one", container: "a"))
      #expect(try await !scene.shell("a", "/bin/busybox ip addr").contains("eth0"))
      _ = try await scene.service.send(ContainerRestart.self, .init(container: "a", timeoutMs: 0))
      _ = try await scene.service.send(ContainerRename.self, .init(container: "a", name: "c"))
      #expect(try await scene.reaches("b", "c"))
      #expect(try await scene.addresses("c", "two") == ["10.77.0.9"])
      await scene.expect(
        .inUse, of: ContainerCreate.self,
        .init(
          .init(image: "busybox:1", command: ["true"], networks: [.init(network: "two", ipv4: "10.77.0.9")])))
      _ = try await scene.service.send(ContainerRemove.self, .init(container: "c", force: true))
      #expect(try await !scene.shell("b", "cat /etc/hosts").contains("also-a"))
    }
  }

  @Test(
    "two hundred containers and their networks that come and go leave no interface, rule, mount, lease, namespace or process"
  )
  func manyContainers() async throws {
    try await NetworkScene.with(.ordinary) { scene, _ in
      _ = try await scene.service.importBusybox(scene.store)
      let network = try await scene.create("back")
      _ = try await scene.service.run(["true"]) { $0.networks = [.init(network: "back")] }
      let rules = try await scene.amongNetworks("nft list ruleset")
      for _ in 0..<25 {
        _ = try await scene.create("round")
        try await withThrowingTaskGroup { group in
          for _ in 0..<8 {
            group.addTask {
              let ended = try await scene.service.run(["true"]) {
                $0.networks = [.init(network: "back"), .init(network: "round")]
                $0.autoRemove = true
              }
              #expect(ended.exit.code == 0)
            }
          }
          try await group.waitForAll()
        }
        _ = try await scene.service.send(NetworkRemove.self, .init(network: "round"))
      }
      try await scene.waitForInterfaces(1)
      let interfaces = try await scene.interfaces()
      #expect(interfaces == [network.interface])
      let rulesThen = try await scene.amongNetworks("nft list ruleset")
      #expect(rulesThen == rules)
      let leases = try await scene.service.send(NetworkInspect.self, .init(network: "back")).endpoints
      #expect(leases.count == 1)
      let held = try await ChildProcess.run([
        "sh", "-c", "ls -l /proc/\(scene.service.process.pid)/fd | grep -c 'net:\\['",
      ]).text
      #expect(Int(held.dropLast()) ?? 100 < 5, "\(held)")
      let mounts = try await ChildProcess.run([
        "sh", "-c", "cat /proc/[0-9]*/mountinfo 2> /dev/null | grep -c \(scene.store.directory)/",
      ]).text
      #expect(mounts == "0\n")
      let left = try await ChildProcess.run([
        "sh", "-c",
        "for p in /proc/[0-9]*; do case \"$(readlink $p/cwd)\" in \(scene.store.run)/containers/*) echo $p;; esac; done",
      ]).text
      #expect(left.isEmpty)
    }
  }

  @Test(
    "a machine without a way to the outside has networks and published ports, and the outside when it has one"
  )
  func offLine() async throws {
    try await NetworkScene.with(.ordinary) { scene, _ in
      try await scene.host.shell("ip route del default; ip -6 route del default")
      try await scene.importServer()
      let web = try await scene.serve("web", [.init(containerPort: 80)])
      let port = try #require(web.ports?.first?.hostPort)
      #expect(try await scene.fetch(port) == "hello\n")
      try await scene.start("other")
      #expect(try await scene.get("web", 80, from: "other") == "hello\n")
      try await scene.host.shell("ip route add default via 192.0.2.2; ip route add default via 2001:db8::2")
      try await eventually(within: Patience.wait, describing: "the outside is reached") {
        try? await scene.get("192.0.2.1", port, from: "other")
      } until: {
        $0 == "hello\n"
      }
      try await scene.removeAll()
    }
  }

  @Test(
    "pasta that is ready and ends at once is run again after longer and longer pauses, and the networks stay")
  func pastaEndsAtOnce() async throws {
    let (host, elsewhere) = (try await TestNetwork(), try await TestNetwork())
    try await host.connect(elsewhere)
    try await withTestStore(.ordinary) { store in
      let (program, runs) = (store.directory.appending("pasta"), store.directory.appending("runs"))
      try program.write("#!/bin/sh\necho x >> \(runs)\necho $$\n".utf8)
      chmod(program.string, 0o755)
      chmod("/dev/net/tun", 0o666)
      var store = store
      store.network = host
      store.replaced = ["/usr/bin/pasta": program]
      let start = ContinuousClock.now
      let scene = NetworkScene(store: store, host: host, service: try await store.service())
      try await scene.importServer()
      try await scene.serve("web", [.init(containerPort: 80)])
      try await scene.start("other")
      let keeper = try scene.placeOfNetworks()
      try await eventually(describing: "pasta is run four times") {
        try runs.readAll().count / 2
      } until: {
        $0 >= 4
      }
      #expect(ContinuousClock.now - start >= .milliseconds(300))
      #expect(try await scene.get("web", 80, from: "other") == "hello\n")
      #expect(try scene.placeOfNetworks() == keeper)
      try await scene.leaveNothing()
    }
  }
}
