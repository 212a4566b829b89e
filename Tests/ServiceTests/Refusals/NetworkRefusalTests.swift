import RPCModel
import RPCTransport
import TestSupport
import Testing

@Suite("Requests about networks and ports that are refused", .requires(.networks))
struct NetworkRefusalTests {
  @Test(
    "a name that nobody has, and digits with which several ids begin, in every request that names a network")
  func names() async throws {
    try await NetworkScene.with { scene in
      try await scene.start("web")
      let several = try await sharedPrefix {
        // By its number: no name is one digit.
        try await scene.create(
          "net-\(try await scene.service.send(NetworkList.self, .init()).networks.count)"
        ).id
      }
      for (name, kind) in [("nosuch", ErrorKind.notFound), (several, .invalidArgument)] {
        await scene.expect(kind, of: NetworkInspect.self, .init(network: name))
        await scene.expect(kind, of: NetworkRemove.self, .init(network: name))
        await scene.expect(kind, of: NetworkConnect.self, .init(network: name, container: "web"))
        await scene.expect(kind, of: NetworkDisconnect.self, .init(network: name, container: "web"))
      }
      await scene.expect(.notFound, of: NetworkConnect.self, .init(network: "net-1", container: "nosuch"))
      await scene.expect(.notFound, of: NetworkDisconnect.self, .init(network: "net-1", container: "web"))
    }
  }

  @Test("addresses and ports that are taken, or that no network has")
  func addresses() async throws {
    try await NetworkScene.with { scene in
      _ = try await scene.create("small") {
        $0.subnets = [.init(subnet: "10.90.0.0/30")]; $0.ipv6 = false
      }
      _ = try await scene.create("large") {
        $0.subnets = [.init(subnet: "10.91.0.0/24")]; $0.ipv6 = false
      }
      try await scene.start("first", [.init(network: "small"), .init(network: "large", ipv4: "10.91.0.9")])
      try await scene.start("second") { $0.ports = [.init(containerPort: 80)] }
      try await scene.start("without") { $0.network = NetworkMode.none }
      // One for the host and one for a container is all that there is.
      let creation = ContainerCreation(
        image: "busybox:1", command: ["true"], network: .bridge, networks: [.init(network: "small")])
      await scene.expect(.noSpace, of: ContainerCreate.self, .init(creation))
      await scene.expect(.noSpace, of: ContainerRun.self, .init(creation))
      await scene.expect(.noSpace, of: NetworkConnect.self, .init(network: "small", container: "second"))
      await scene.expect(
        .inUse, of: NetworkConnect.self, .init(network: "large", container: "second", ipv4: "10.91.0.9"))
      let fixed = ContainerCreation(
        image: "busybox:1", command: ["true"], network: .bridge,
        networks: [.init(network: "large", ipv4: "10.91.0.9")])
      await scene.expect(.inUse, of: ContainerCreate.self, .init(fixed))
      await scene.expect(.inUse, of: ContainerRun.self, .init(fixed))
      await scene.expect(
        .invalidArgument, of: NetworkConnect.self,
        .init(network: "large", container: "second", ipv4: "10.92.0.9"))
      await scene.expect(.alreadyExists, of: NetworkConnect.self, .init(network: "large", container: "first"))
      await scene.expect(.conflict, of: NetworkConnect.self, .init(network: "small", container: "without"))
      await scene.expect(.inUse, of: NetworkRemove.self, .init(network: "small"))

      await scene.expect(.alreadyExists, of: NetworkCreate.self, .init(name: "small"))
      await scene.expect(.invalidArgument, of: NetworkCreate.self, .init(name: "not a name"))
      await scene.expect(
        .conflict, of: NetworkCreate.self, .init(name: "part", subnets: [.init(subnet: "10.91.0.0/25")]))

      let taken = try #require(try await scene.ports("second").first?.hostPort)
      await scene.expect(
        .conflict, of: ContainerPublish.self,
        .init(container: "first", ports: [.init(hostPort: taken, containerPort: 80)]))
      await scene.expect(
        .conflict, of: ContainerRun.self,
        .init(
          image: "busybox:1", command: ["true"], ports: [.init(hostPort: taken, containerPort: 80)],
          detach: true))
      await scene.expect(
        .invalidArgument, of: ContainerPublish.self,
        .init(container: "without", ports: [.init(containerPort: 80)]))
      await scene.expect(
        .notFound, of: ContainerUnpublish.self, .init(container: "first", ports: [.init(containerPort: 81)]))
    }
  }

  @Test(
    "a port of the machine's is published once, also where nothing runs that would have it",
    arguments: Account.available)
  func twice(account: Account) async throws {
    try await NetworkScene.with(account) { scene, _ in
      try await scene.importServer()
      let local = PortMapping(address: "127.0.0.1", hostPort: 18090, containerPort: 80)
      let all = PortMapping(hostPort: 18090, containerPort: 81)
      await scene.expect(
        .invalidArgument, of: ContainerCreate.self, .init(.init(image: "busybox:1", ports: [local, all])))
      await scene.expect(
        .invalidArgument, of: ContainerRun.self,
        .init(image: "busybox:1", command: ["true"], ports: [all, all]))
      // Another transport's, another address's, and free ones are others.
      let server = ContainerCreation(
        image: "busybox:1", name: "web", command: ["httpd", "-f", "-p", "80", "-h", "/www"],
        ports: [
          local, .init(address: "::1", hostPort: 18090, containerPort: 80),
          .init(hostPort: 18090, containerPort: 53, transport: .udp), .init(containerPort: 80),
          .init(containerPort: 80),
        ], initProcess: true)
      _ = try await scene.service.send(ContainerCreate.self, .init(server))
      await scene.expect(
        .invalidArgument, of: ContainerPublish.self, .init(container: "web", ports: [all]))
      _ = try await scene.service.send(ContainerStart.self, .init(container: "web"))
      try await scene.waitForPort("web")
      await scene.expect(
        .invalidArgument, of: ContainerPublish.self, .init(container: "web", ports: [local]))
      let page = try await scene.fetch(18090)
      #expect(page == "hello\n")
    }
  }

  @Test("a container that waits for its next start is neither connected nor disconnected")
  func betweenRuns() async throws {
    try await NetworkScene.with { scene in
      _ = try await scene.create("back")
      try await scene.start("failing") {
        $0.command = ["false"]
        $0.initProcess = nil
        $0.restart = .init(kind: .always)
      }
      try await waitForPause(of: "failing", scene.service)
      await scene.expect(.conflict, of: NetworkConnect.self, .init(network: "back", container: "failing"))
      await scene.expect(
        .conflict, of: NetworkDisconnect.self, .init(network: "bridge", container: "failing"))
    }
  }

  @Test("ports that are root's alone", .enabled(if: Account.available.contains(.ordinary)))
  func lowPorts() async throws {
    try await NetworkScene.with(.ordinary) { scene, _ in
      try await scene.importServer()
      try await scene.serve("web", [.init(containerPort: 80)])
      let low = [PortMapping(hostPort: 81, containerPort: 80)]
      await scene.expect(.permissionDenied, of: ContainerPublish.self, .init(container: "web", ports: low))
      await scene.expect(
        .permissionDenied, of: ContainerRun.self,
        .init(image: "busybox:1", command: ["true"], ports: low, detach: true))
    }
  }
}
