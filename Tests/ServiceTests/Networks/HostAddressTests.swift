import Glibc
import RPCModel
import SystemPackage
import TestSupport
import Testing

@Suite("The host, and others, by name", .requires(.networks))
struct HostAddressTests {
  private static let host = HostAddress(name: "machine", address: "host-gateway")

  @Test("host-gateway leads to the host, for root and for ordinary users", arguments: Account.available)
  func leadsThere(account: Account) async throws {
    try await NetworkScene.with(account) { scene, _ in
      try await scene.importServer()
      let server = try await ChildProcess.spawn(
        scene.host.launcher + [
          "python3", "-uc",
          """
          import socket
          s = socket.create_server(("::", 8099), family=socket.AF_INET6, dualstack_ipv6=True); print("up")
          while True:
              c, peer = s.accept(); c.recv(1000); c.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\nthe host"); c.close()
          """,
        ], output: .pipe, diesWithTests: true)
      try await server.firstOutput()
      try await scene.start("a") { $0.extraHosts = [Self.host] }
      let hosts = try await scene.shell("a", "cat /etc/hosts")
      let addresses = hosts.split(separator: "\n").filter { $0.hasSuffix("\tmachine") }.map {
        String($0.prefix { $0 != "\t" })
      }
      #expect(addresses.count == 2, "\(hosts)")
      for target in addresses + ["machine"] {
        let said = try await scene.get(target, 8099, from: "a")
        #expect(said == "the host", "\(target)")
      }
      server.signal(SIGKILL)
      _ = try await server.waitForExit()
    }
  }

  @Test(
    "an ordinary user's containers know the address that the host has when they start",
    .enabled("needs an ordinary user") { Account.available.contains(.ordinary) })
  func follows() async throws {
    try await NetworkScene.with(.ordinary) { scene, _ in
      try await scene.importServer()
      try await scene.start("a") { $0.extraHosts = [Self.host] }
      #expect(try await scene.shell("a", "cat /etc/hosts").contains("192.0.2.1\tmachine\n"))
      try await scene.host.shell(
        "ip addr add 192.0.2.9/24 dev uplink; ip route replace default via 192.0.2.2 src 192.0.2.9")
      _ = try await scene.service.send(ContainerRestart.self, .init(container: "a", timeoutMs: 0))
      let hosts = try await scene.shell("a", "cat /etc/hosts; hostname")
      #expect(hosts.contains("192.0.2.9\tmachine\n") && !hosts.contains("192.0.2.1\t"), "\(hosts)")
      // Its own name as before.
      let own = try await scene.addresses("a", "bridge")[0]
      let name = try #require(hosts.split(separator: "\n").last)
      #expect(hosts.contains("\(own)\t\(name)\n"), "\(hosts)")
    }
  }

  @Test("where nothing leads to the host, host-gateway is refused", arguments: Account.available)
  func refused(account: Account) async throws {
    try await NetworkScene.with(account) { scene, _ in
      try await scene.importServer()
      try await scene.start("a")
      func creation(_ change: (inout ContainerCreation) -> Void) -> ContainerCreate.Params {
        var creation = ContainerCreation(image: "busybox:1", command: ["true"], extraHosts: [Self.host])
        change(&creation)
        return .init(creation)
      }
      await scene.expect(
        .invalidArgument, of: ContainerCreate.self, creation { $0.network = NetworkMode.none })
      await scene.expect(
        .invalidArgument, of: ContainerCreate.self,
        creation {
          $0.network = .container
          $0.networkContainer = "a"
        })
      let own = try await scene.service.run(["cat", "/etc/hosts"]) {
        $0.network = .host
        $0.extraHosts = [Self.host]
        $0.autoRemove = true
      }.stdout
      #expect(own.contains("127.0.0.1\tmachine\n"), "\(own)")
      // Of an internal network the host is a part for root only.
      _ = try await scene.create("inside") { $0.internalOnly = true }
      let params = creation {
        $0.networks = [.init(network: "inside")]
      }
      if account == .root {
        _ = try await scene.service.send(ContainerCreate.self, params)
      } else {
        await scene.expect(.invalidArgument, of: ContainerCreate.self, params)
      }
      let containers = try await scene.service.send(ContainerList.self, .init(all: true)).containers
      #expect(containers.count == (account == .root ? 2 : 1))
    }
  }

  @Test("names that cannot be written keep no container from being there", arguments: Account.available)
  func unwritable(account: Account) async throws {
    try await NetworkScene.with(account) { scene, _ in
      try await scene.importServer()
      let a = try await scene.start("a")
      try await scene.start("b")
      // No file of names, but a directory.
      let own = scene.store.store.appending("containers").appending(a.id).appending("hosts.own")
      let spoilt = try await ChildProcess.run(["sh", "-ec", "rm \(own); mkdir \(own)"])
      #expect(spoilt.succeeded, "\(spoilt.errorText)")
      let made = try await scene.service.send(
        ContainerCreate.self, .init(.init(image: "busybox:1", name: "c", command: ["true"], network: .bridge))
      )
      #expect(made.container.name == "c")
      // The others know of it.
      #expect(try await scene.shell("b", "cat /etc/hosts").contains("\tc "))
      // And it is whole.
      let started = try await scene.service.send(ContainerStart.self, .init(container: "c")).container
      #expect(started.name == "c")
      let ended = try await scene.service.send(ContainerWait.self, .init(container: "c")).exit
      #expect(ended?.code == 0)
    }
  }
}
