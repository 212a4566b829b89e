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
        #expect(try await !scene.reaches("a", address), "\(address)")
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

  @Test("two hundred containers that come and go leave no interface, rule, mount, lease or namespace")
  func manyContainers() async throws {
    try await NetworkScene.with(.ordinary) { scene, _ in
      _ = try await scene.service.importBusybox(scene.store)
      let network = try await scene.create("back")
      _ = try await scene.service.run(["true"]) { $0.networks = [.init(network: "back")] }
      let rules = try await scene.amongNetworks("nft list ruleset")
      for _ in 0..<25 {
        try await withThrowingTaskGroup { group in
          for _ in 0..<8 {
            group.addTask {
              let ended = try await scene.service.run(["true"]) {
                $0.networks = [.init(network: "back")]
                $0.autoRemove = true
              }
              #expect(ended.exit.code == 0)
            }
          }
          try await group.waitForAll()
        }
      }
      try await scene.waitForInterfaces(1)
      let interfaces = try await scene.interfaces()
      #expect(interfaces == [network.interface])
      let rulesThen = try await scene.amongNetworks("nft list ruleset")
      #expect(rulesThen == rules)
      let leases = try await scene.service.send(NetworkInspect.self, .init(network: "back")).endpoints
      #expect(leases.count == 1)
      let held = try await ChildProcess.run([
        "sh", "-c",
        "for p in $(pgrep -f '[-]-store \(scene.store.store) '); do ls -l /proc/$p/fd; done | grep -c 'net:\\['",
      ]).text
      #expect(Int(held.dropLast()) ?? 100 < 5, "\(held)")
      let mounts = try await ChildProcess.run([
        "sh", "-c", "cat /proc/[0-9]*/mountinfo 2> /dev/null | grep -c \(scene.store.directory)/",
      ]).text
      #expect(mounts == "0\n")
    }
  }
}
