import Glibc
import LinuxSystem
import RPCModel
import TestSupport
import Testing

/// What crashes, other programs and other services do to networks.
@Suite("Networks come back", .requires(.networks))
struct NetworkRecoveryTests {
  /// What a service is asked for when it dies.
  enum Doomed: String, Sendable, CaseIterable {
    case create, remove, run, start, connect, disconnect, removeContainer

    var failpoints: [Failpoint] {
      switch self {
      case .create: [.networkRecorded, .bridgeMade, .bridgeUp, .firewallChanged]
      case .remove: [.networkUnrecorded, .bridgeRemoved, .firewallChanged]
      case .run:
        [.containerPrepared, .containerRecorded, .linkMade, .linkReady, .hostsWritten, .containerStarted]
      case .start: [.linkMade, .linkReady, .hostsWritten, .containerStarted]
      case .connect: [.endpointRecorded, .linkMade, .linkReady, .hostsWritten]
      case .disconnect: [.endpointUnrecorded, .hostsWritten]
      case .removeContainer: [.containerUnrecorded, .hostsWritten]
      }
    }
  }

  struct Death: Sendable, CustomTestStringConvertible {
    var request: Doomed
    var failpoint: Failpoint
    var testDescription: String { "\(request) at \(failpoint)" }

    static let all = Doomed.allCases.flatMap { request in
      request.failpoints.map { Death(request: request, failpoint: $0) }
    }
  }

  @Test(
    "a service is killed between two steps: the next one has all of it or nothing, and it works",
    arguments: Death.all, Account.available)
  func killed(death: Death, account: Account) async throws {
    try await NetworkScene.with(account) { scene, _ in
      _ = try await scene.service.importBusybox(scene.store)
      let creation = ContainerCreation(
        image: "busybox:1", name: "made", command: ["sleep", "10000"],
        networks: [.init(network: "back", aliases: ["it"])]
          + (death.request == .disconnect ? [.init(network: "second")] : []),
        initProcess: true)
      if death.request == .disconnect { _ = try await scene.create("second") }
      if death.request != .create { _ = try await scene.create("back") }
      if death.request != .create && death.request != .remove {
        try await scene.start("other", [.init(network: "back")])
      }
      switch death.request {
      case .start: _ = try await scene.service.send(ContainerCreate.self, .init(creation))
      case .connect: try await scene.start("made")
      case .disconnect, .removeContainer:
        var run = ContainerRun.Params(creation)
        run.detach = true
        _ = try await scene.service.send(ContainerRun.self, run)
        if death.request == .removeContainer {
          _ = try await scene.service.send(ContainerStop.self, .init(container: "made", timeoutMs: 0))
        }
      case .create, .remove, .run: break
      }
      let doomed = try await scene.store.service("doomed", failpoint: death.failpoint.rawValue)
      await #expect(throws: (any Error).self) {
        switch death.request {
        case .create: _ = try await doomed.send(NetworkCreate.self, .init(name: "back"))
        case .remove: _ = try await doomed.send(NetworkRemove.self, .init(network: "back"))
        case .run:
          var run = ContainerRun.Params(creation)
          run.detach = true
          _ = try await doomed.send(ContainerRun.self, run)
        case .start: _ = try await doomed.send(ContainerStart.self, .init(container: "made"))
        case .connect:
          _ = try await doomed.send(
            NetworkConnect.self, .init(network: "back", container: "made", aliases: ["it"]))
        case .disconnect:
          _ = try await doomed.send(NetworkDisconnect.self, .init(network: "back", container: "made"))
        case .removeContainer: _ = try await doomed.send(ContainerRemove.self, .init(container: "made"))
        }
      }
      #expect(await doomed.process.waitForExit() == 128 + SIGKILL)
      try await expectWhole(scene, after: death)
      try await scene.removeAll()
    }
  }

  private func expectWhole(_ scene: NetworkScene, after death: Death) async throws {
    let service = scene.service
    let networks = try await service.send(NetworkList.self, .init()).networks.map(\.name)
    let containers = try await service.send(ContainerList.self, .init(all: true)).containers
    switch death.request {
    case .create:
      #expect(networks == ["back"])
      // What it was asked for is there, and whole.
      try await scene.start("a", [.init(network: "back")])
      try await scene.start("b", [.init(network: "back")])
      #expect(try await scene.reaches("a", "b"))
    case .remove:
      #expect(networks.isEmpty)
      #expect(try await scene.interfaces().isEmpty)
      #expect(try await scene.amongNetworks("nft list tables").isEmpty)
    case .run, .start:
      if containers.contains(where: { $0.name == "made" && $0.state == .running }) {
        #expect(try await scene.reaches("other", "it"))
      } else if containers.contains(where: { $0.name == "made" }) {
        _ = try await service.send(ContainerStart.self, .init(container: "made"))
        #expect(try await scene.reaches("other", "it"))
      } else {
        try await scene.start("made", [.init(network: "back", aliases: ["it"])])
        #expect(try await scene.reaches("other", "it"))
      }
      #expect(try await scene.reaches("made", "other"))
    case .connect:
      #expect(try await scene.reaches("other", "it"))
      for address in try await scene.addresses("other", "back") {
        #expect(try await scene.reaches("made", address))
      }
    case .disconnect:
      // Its way to the outside is the other network's now.
      let gateways =
        networks.isEmpty
        ? []
        : try await service.send(NetworkInspect.self, .init(network: "second"))
          .network.subnets.compactMap(\.gateway)
      let routes = try await scene.shell("made", "/bin/busybox ip route; /bin/busybox ip -6 route")
      for gateway in gateways { #expect(routes.contains("default via \(gateway) "), "\(routes)") }
      #expect(gateways.count == 2)
      #expect(try await !scene.shell("other", "cat /etc/hosts").contains("made"))
      for address in try await scene.addresses("other", "back") {
        #expect(try await scene.failsToReach("made", address))
      }
      _ = try await service.send(NetworkConnect.self, .init(network: "back", container: "made"))
      #expect(try await scene.reaches("other", "made"))
    case .removeContainer:
      #expect(!containers.contains { $0.name == "made" })
      #expect(try await !scene.shell("other", "cat /etc/hosts").contains("made"))
    }
  }

  @Test(
    "a firewall that was loaded anew and bridges that are gone come back with the next look, and with a start"
  )
  func reload() async throws {
    try await NetworkScene.with { scene in
      let outside = try await TestNetwork()
      try await scene.host.connect(outside)
      try await scene.start("a")
      try await scene.start("b")
      let rules = try await scene.host.shell("nft list ruleset")
      try await scene.host.shell("nft flush ruleset")
      #expect(try await scene.failsToReach("a", "192.0.2.2"))
      _ = try await scene.service.send(NetworkList.self, .init())
      #expect(try await scene.host.shell("nft list ruleset") == rules)
      #expect(try await scene.reaches("a", "192.0.2.2"))
      try await scene.host.shell("nft flush ruleset")
      _ = try await scene.service.run(["true"]) { $0.network = .bridge }
      #expect(try await scene.host.shell("nft list ruleset") == rules)
      let bridge = try await scene.service.send(NetworkInspect.self, .init(network: "bridge")).network
        .interface
      try await scene.host.shell("ip link del \(bridge)")
      #expect(try await scene.failsToReach("a", "b"))
      _ = try await scene.service.send(NetworkList.self, .init())
      #expect(try await scene.reaches("a", "b"))
      #expect(try await scene.reaches("a", "192.0.2.2"))
      // Others on the machine may turn forwarding off.
      try await scene.host.shell("echo 0 > /proc/sys/net/ipv4/ip_forward")
      #expect(try await scene.failsToReach("a", "192.0.2.2"))
      _ = try await scene.service.send(NetworkList.self, .init())
      #expect(try await scene.reaches("a", "192.0.2.2"))
      // A service that begins looks by itself.
      try await scene.host.shell("nft flush ruleset")
      let other = try await scene.store.service("other")
      try await eventually(describing: "the rules are there again") {
        try await scene.host.shell("nft list ruleset")
      } until: {
        $0 == rules
      }
      #expect(await other.stop() == 0)
    }
  }

  @Test(
    "a link that was lost comes back when the container's policy starts it again",
    arguments: Account.available)
  func nextLife(account: Account) async throws {
    try await NetworkScene.with(account) { scene, _ in
      _ = try await scene.service.importBusybox(scene.store)
      let first = try await scene.start("first") {
        $0.initProcess = nil
        $0.restart = .init(kind: .always)
      }
      let peer = try #require(try await scene.interfaces().first { $0.hasPrefix("cv") })
      try await scene.amongNetworks("ip link del \(peer)")
      kill(Int32(clamping: try #require(first.pid)), SIGKILL)
      try await scene.waitForRestart("first")
      try await scene.waitForInterfaces(2)
      try await scene.start("second")
      for address in try await scene.addresses("first", "bridge") {
        #expect(try await scene.reaches("second", address))
      }
      try await scene.removeAll()
    }
  }

  @Test(
    "two hundred containers and their networks that come and go leave no interface, rule, mount, namespace or lease"
  )
  func manyContainers() async throws {
    try await NetworkScene.with { scene in
      let network = try await scene.create("back")
      let rules = try await scene.host.shell("nft list ruleset")
      for _ in 0..<25 {
        _ = try await scene.create("round")
        try await withThrowingTaskGroup { group in
          for _ in 0..<8 {
            group.addTask {
              let ended = try await scene.service.run(["cat", "/etc/hosts"]) {
                $0.networks = [.init(network: "back"), .init(network: "round")]
                $0.autoRemove = true
              }
              #expect(ended.exit.code == 0 && ended.stdout.contains(ended.container.name))
            }
          }
          try await group.waitForAll()
        }
        _ = try await scene.service.send(NetworkRemove.self, .init(network: "round"))
      }
      #expect(try await scene.service.send(NetworkInspect.self, .init(network: "back")).endpoints.isEmpty)
      try await scene.waitForInterfaces(1)
      #expect(try await scene.interfaces() == [network.interface])
      #expect(try await scene.host.shell("nft list ruleset") == rules)
      // A namespace lasts as long as a process is in it, or has it open.
      let left = try await scene.host.shell(
        """
        for process in /proc/[0-9]*; do
          case "$(readlink $process/cwd)" in \(scene.store.run)/*) echo $process;; esac
        done
        """)
      #expect(left.isEmpty)
      let open = try await scene.host.shell(
        "ls -l /proc/\(scene.service.process.pid)/fd | grep -c 'net:\\[' || true")
      #expect(Int(open.dropLast()) ?? 100 < 5, "\(open)")
      let mounts = try await scene.host.shell(
        "cat /proc/[0-9]*/mountinfo 2> /dev/null | grep -c \(scene.store.directory)/ || true")
      #expect(mounts == "0\n")
    }
  }

  @Test("services that allocate at once never give an address twice", arguments: Account.available)
  func concurrentServices(account: Account) async throws {
    try await NetworkScene.with(account) { scene, _ in
      _ = try await scene.service.importBusybox(scene.store)
      _ = try await scene.create("back")
      let addresses = try await withThrowingTaskGroup(of: [String].self) { group in
        for number in 0..<4 {
          group.addTask {
            let service = try await scene.store.service("\(number)")
            var addresses: [String] = []
            for index in 0..<15 {
              let made = try await service.send(
                ContainerCreate.self,
                .init(
                  .init(
                    image: "busybox:1", name: "c\(number)-\(index)", command: ["true"],
                    networks: [.init(network: "back")]))
              ).container
              let networks = try await service.send(ContainerInspect.self, .init(container: made.id)).networks
              addresses += (networks ?? []).flatMap { [$0.ipv4, $0.ipv6].compactMap(\.self) }
            }
            #expect(await service.stop() == 0)
            return addresses
          }
        }
        return try await group.reduce(into: []) { $0 += $1 }
      }
      #expect(addresses.count == 120 && Set(addresses).count == 120)
      try await scene.removeAll()
    }
  }

  @Test("a copy of a store beside its original takes nothing of that one's")
  func copiedStore() async throws {
    try await NetworkScene.with { scene in
      let back = try await scene.create("back")
      var copy = TestStore(account: .root, directory: scene.store.directory.appending("copy"))
      copy.network = scene.host
      try await scene.host.shell("mkdir \(copy.directory); cp -a \(scene.store.store) \(copy.store)")
      // The copy knows nothing of these.
      _ = try await scene.create("later")
      for name in ["a", "b"] {
        try await scene.start(name, [.init(network: "back"), .init(network: "later")])
      }
      let (interfaces, rules) = (
        Set(try await scene.interfaces()), try await scene.host.shell("nft list ruleset")
      )
      let other = try await copy.service()
      do {
        let found = try await other.send(NetworkList.self, .init()).networks
        #expect(found.map(\.name) == ["back"] && found.map(\.interface) != [back.interface])
        #expect(Set(try await scene.interfaces()) == interfaces)
        #expect(try await scene.host.shell("nft list ruleset").contains(rules))
        #expect(try await scene.reaches("a", "b"))
        // It can have others of its own, which the original leaves alone as well.
        _ = try await other.send(NetworkCreate.self, .init(name: "own"))
        try await scene.start("c", [.init(network: "own")], by: other)
        let all = Set(try await scene.interfaces())
        #expect(all.isSuperset(of: interfaces) && all.count == interfaces.count + 2)
        _ = try await scene.service.send(NetworkList.self, .init())
        #expect(Set(try await scene.interfaces()) == all)
        _ = try await other.send(ContainerRemove.self, .init(container: "c", force: true))
        for name in ["own", "back"] { _ = try await other.send(NetworkRemove.self, .init(network: name)) }
        #expect(await other.stop() == 0)
      } catch {
        other.process.kill(SIGKILL)
        throw error
      }
      try await scene.waitForInterfaces(interfaces.count)
      #expect(Set(try await scene.interfaces()) == interfaces)
      #expect(try await scene.host.shell("nft list ruleset") == rules)
      #expect(try await scene.reaches("a", "b"))
    }
  }

  @Test("a container's end is told while networks are still being repaired")
  func endMeanwhile() async throws {
    let host = try await TestNetwork()
    try await withTestStore(.root) { store in
      var store = store
      store.network = host
      let first = try await store.service()
      _ = try await first.importBusybox(store)
      _ = try await first.send(NetworkCreate.self, .init(name: "back"))
      let container = try await first.send(
        ContainerRun.self,
        .init(image: "busybox:1", name: "ending", command: ["sleep", "10000"], detach: true)
      ).container
      // Nobody else is to see the end.
      #expect(await first.stop() == 0)
      let busy = try FileLock.acquireBlocking(store.store.appending("networks.lock"))
      defer { busy.release() }
      let service = try await store.service()
      _ = try await service.send(EventSubscribe.self, .init(kinds: ["container.exited"]))
      kill(try #require(container.pid.map { pid_t($0) }), SIGKILL)
      let told = await service.notifications.event("container.exited", subject: container.id)
      #expect(told != nil)
      busy.release()
      _ = try await service.send(ContainerRemove.self, .init(container: "ending"))
      _ = try await service.send(NetworkRemove.self, .init(network: "back"))
      #expect(await service.stop() == 0)
    }
  }
}
