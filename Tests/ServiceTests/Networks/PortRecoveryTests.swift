import Glibc
import LinuxSystem
import RPCModel
import SystemPackage
import TestSupport
import Testing

/// What crashes do to published ports, and to the network that an ordinary user's containers are in.
@Suite("Published ports come back", .requires(.networks))
struct PortRecoveryTests {
  /// Who holds one of the run directory's locks for its life.
  private func holder(_ scene: NetworkScene, _ path: String) throws -> Int32 {
    guard case .process(let pid) = try LifeLock.holder(of: scene.store.run.appending(path)) else {
      throw TestFailure("nobody holds \(path)")
    }
    return pid
  }

  private func children(of pid: Int32) async throws -> [Int32] {
    try await ChildProcess.run(["pgrep", "-P", "\(pid)"]).text.split(separator: "\n").compactMap { Int32($0) }
  }

  private func end(_ pid: Int32) async throws {
    let process = try ProcessDescriptor(pid: pid)
    try process.signal(SIGKILL)
    try await DescriptorWatcher.shared.readable(process.descriptor)
  }

  @Test(
    "a forwarder that was killed is there again after the next look, and when a service begins",
    arguments: Account.available)
  func forwarder(account: Account) async throws {
    try await NetworkScene.with(account) { scene, _ in
      try await scene.importServer()
      let web = try await scene.serve("web", [.init(containerPort: 80), .init(containerPort: 80)])
      let ports = try #require(web.ports)
      let lock = "containers/\(web.id)/ports.lock"
      try await end(holder(scene, lock))
      #expect(try await !scene.listens(ports[0].hostPort))
      #expect(
        try await scene.service.send(ContainerInspect.self, .init(container: "web")).container.state
          == .running)
      _ = try await scene.service.send(NetworkList.self, .init())
      for port in ports {
        let page = try await scene.fetch(port.hostPort)
        #expect(page == "hello\n")
      }
      // One of them is somebody else's by then: the other one comes back all the same.
      try await end(holder(scene, lock))
      let taken = try await ChildProcess.spawn(
        scene.host.launcher + [
          "python3", "-uc",
          "import socket; s = socket.create_server(('', \(ports[0].hostPort))); print('up'); s.accept()",
        ], output: .pipe, diesWithTests: true)
      try await taken.firstOutput()
      let other = try await scene.store.service("other")
      try await eventually(describing: "the other port is published again") {
        try await scene.listens(ports[1].hostPort)
      }
      #expect(try await scene.fetch(ports[1].hostPort) == "hello\n")
      taken.signal(SIGKILL)
      _ = try await taken.waitForExit()
      _ = try await other.send(NetworkList.self, .init())
      #expect(try await scene.fetch(ports[0].hostPort) == "hello\n")
      #expect(await other.stop() == 0)
    }
  }

  @Test(
    "the keeper of a user's network, or its child that runs pasta, is killed: the next look makes all of it anew",
    .enabled(if: Account.available.contains(.ordinary)), arguments: [false, true])
  func keeper(killingChild: Bool) async throws {
    try await NetworkScene.with(.ordinary) { scene, elsewhere in
      try await scene.importServer()
      let web = try await scene.serve("web", [.init(containerPort: 80)])
      let port = try #require(web.ports?.first?.hostPort)
      try await scene.start("other")
      // Another service has the old network open.
      let witness = try await scene.store.service("witness")
      _ = try await witness.send(NetworkList.self, .init())
      let keeper = try holder(scene, "network/lock")
      if killingChild {
        let process = try ProcessDescriptor(pid: keeper)
        try await end(#require(children(of: keeper).first))
        try await DescriptorWatcher.shared.readable(process.descriptor)
      } else {
        try await end(keeper)
      }
      // What is published does not go that way.
      #expect(try await scene.fetch(port) == "hello\n")
      for service in [witness, scene.service] {
        _ = try await service.send(NetworkList.self, .init())
        let page = try await scene.get("web", 80, from: "other")
        #expect(page == "hello\n")
      }
      #expect(try holder(scene, "network/lock") != keeper)
      // By the way to the outside, and back.
      let around = try await scene.get("192.0.2.1", port, from: "other")
      #expect(around == "hello\n")
      let outside = try await elsewhere.shell("curl -sS --max-time 120 http://192.0.2.1:\(port)/")
      #expect(outside == "hello\n")
      #expect(await witness.stop() == 0)
    }
  }

  @Test(
    "a keeper that took another's place stays for containers that were there before, when no service is",
    .enabled(if: Account.available.contains(.ordinary)))
  func keeperWithoutServices() async throws {
    let (host, elsewhere) = (try await TestNetwork(), try await TestNetwork())
    try await host.connect(elsewhere)
    chmod("/dev/net/tun", 0o666)
    try await withTestStore(.ordinary) { store in
      var store = store
      store.network = host
      let first = try await store.service()
      let scene = NetworkScene(store: store, host: host, service: first)
      try await scene.importServer()
      try await scene.start("a")
      let keeper = try holder(scene, "network/lock")
      try await end(keeper)
      _ = try await first.send(NetworkList.self, .init())
      let next = try holder(scene, "network/lock")
      #expect(next != keeper)
      // To its reader it ends when nobody has it open for writing: what the keeper waits for.
      let users = try FileDescriptor.open(
        store.run.appending("network/users"), .readOnly, options: [.nonBlocking, .closeOnExec])
      defer { try? users.close() }
      #expect(await first.stop() == 0)
      var byte: [UInt8] = [0]
      #expect(throws: Errno.resourceTemporarilyUnavailable) {
        try byte.withUnsafeMutableBytes { try users.read(into: $0) }
      }
      let last = try await store.service("last")
      _ = try await last.send(ContainerRemove.self, .init(container: "a", force: true))
      #expect(try holder(scene, "network/lock") == next)
      #expect(await last.stop() == 0)
      try await DescriptorWatcher.shared.readable(users)
      #expect(try byte.withUnsafeMutableBytes { try users.read(into: $0) } == 0)
    }
  }

  @Test(
    "pasta cannot start for a while: the user's network stays, and it is tried again, after longer and longer pauses",
    .enabled(if: Account.available.contains(.ordinary)))
  func pastaCannotStart() async throws {
    try await NetworkScene.with(.ordinary) { scene, _ in
      try await scene.importServer()
      let port = try #require(try await scene.serve("web", [.init(containerPort: 80)]).ports?.first?.hostPort)
      try await scene.start("talker")
      let keeper = try holder(scene, "network/lock")
      let uplink = try #require(try await children(of: keeper).first)
      /// Of all programs that it has seen the end of: it grows with each (cminflt).
      func pages() throws -> Int {
        let stat = try readSmallFile(FilePath("/proc/\(uplink)/stat"), limit: 4096)
        let fields = stat.split(separator: ")").last?.split(separator: " ") ?? []
        return try #require(fields.count > 8 ? Int(fields[8]) : nil)
      }
      // Without a default route it does not start.
      try await scene.host.shell("ip route del default; ip -6 route del default")
      var known = try pages()
      let start = ContinuousClock.now
      try await end(#require(children(of: uplink).first))
      // The one that was killed, and three that came after it.
      for _ in 0..<4 {
        let before = known
        known = try await eventually(describing: "pasta has ended") {
          try pages()
        } until: {
          $0 != before
        }
      }
      #expect(ContinuousClock.now - start >= .milliseconds(300))
      #expect(try holder(scene, "network/lock") == keeper)
      try await scene.host.shell("ip route add default via 192.0.2.2; ip route add default via 2001:db8::2")
      let heard = try await scene.shell(
        "talker",
        """
        busybox mkfifo /ask; exec 3<>/ask; end=$(($(busybox date +%s) + 120))
        until printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; busybox timeout 20 nc 192.0.2.1 \(port) <&3 | busybox grep -q hello
        do [ $(busybox date +%s) -lt $end ] || exit 1; done
        echo yes
        """)
      #expect(heard == "yes\n")
      #expect(try holder(scene, "network/lock") == keeper)
      try await scene.removeAll()
    }
  }

  @Test(
    "pasta dies: another one is there at once, and connections by the former break off instead of hanging",
    .enabled(if: Account.available.contains(.ordinary)))
  func pastaDies() async throws {
    try await NetworkScene.with(.ordinary) { scene, elsewhere in
      try await scene.importServer()
      try await scene.start("talker")
      let keeper = try holder(scene, "network/lock")
      let server = try await ChildProcess.spawn(
        elsewhere.launcher + [
          "python3", "-uc",
          """
          import socket
          server = socket.create_server(('', 7000))
          print(1, end='')
          while True:
              connection = server.accept()[0]
              byte = connection.recv(1)
              print(byte.decode(), end='')
              connection.send(b'heard')
              if byte == b'z':
                  connection.close()
          """,
        ], output: .pipe, diesWithTests: true)
      let output = try #require(server.standardOutput)
      func expectByte(_ expected: String) async throws {
        try await eventually(describing: "the server says \(expected)") {
          var entry = pollfd(fd: output.rawValue, events: Int16(POLLIN), revents: 0)
          return poll(&entry, 1, 0) > 0
        }
        var byte: [UInt8] = [0]
        _ = try byte.withUnsafeMutableBytes { try output.read(into: $0) }
        #expect(byte == Array(expected.utf8))
      }
      try await expectByte("1")
      let service = scene.service
      // Nobody reads what it says, so it goes on, and waits, until it hears that there is nobody.
      let talk = Task {
        try await service.exec("talker", ["sh", "-c", "busybox yes | nc 192.0.2.2 7000"]).exit
      }
      try await expectByte("y")
      let uplink = try #require(try await children(of: keeper).first)
      try await end(#require(children(of: uplink).first))
      let exit = try await talk.value
      #expect(exit.code != 0)
      #expect(try holder(scene, "network/lock") == keeper)
      #expect(try await children(of: uplink).count == 1)
      let heard = try await scene.shell(
        "talker",
        """
        busybox mkfifo /ask; exec 3<>/ask; end=$(($(busybox date +%s) + 120))
        until printf z >&3; [ "$(busybox timeout 20 nc 192.0.2.2 7000 <&3)" = heard ]
        do [ $(busybox date +%s) -lt $end ] || exit 1; done; echo yes
        """)
      #expect(heard == "yes\n")
      server.signal(SIGKILL)
      _ = try await server.waitForExit()
      try await scene.removeAll()
    }
  }

  @Test(
    "a service is killed while it makes the user's network: the next one has it whole, and nothing of another",
    .enabled(if: Account.available.contains(.ordinary)),
    arguments: [Failpoint.userNetworkMade, .userNetworkKept, .userNetworkReady, .userNetworkHeld])
  func making(failpoint: Failpoint) async throws {
    try await NetworkScene.with(.ordinary) { scene, _ in
      try await scene.importServer()
      let doomed = try await scene.store.service("doomed", failpoint: failpoint.rawValue)
      await #expect(throws: (any Error).self) {
        _ = try await doomed.send(NetworkCreate.self, .init(name: "back"))
      }
      #expect(await doomed.process.waitForExit() == 128 + SIGKILL)
      // Where nobody hears that pasta is ready, it may have ended by itself.
      let keeper = try? holder(scene, "network/lock")
      #expect(failpoint == .userNetworkKept || (keeper == nil) == (failpoint == .userNetworkMade))
      var left: [ProcessDescriptor] = []
      if let keeper, failpoint == .userNetworkKept {
        let uplinks = try await children(of: keeper)
        let programs = uplinks.isEmpty ? [] : try await children(of: uplinks[0])
        left = ([keeper] + uplinks + programs).compactMap { try? ProcessDescriptor(pid: $0) }
      }
      let web = try await scene.serve("web", [.init(containerPort: 80)])
      try await scene.start("other")
      let page = try await scene.get("web", 80, from: "other")
      #expect(page == "hello\n")
      // By the way to the outside, and back.
      let around = try await scene.get("192.0.2.1", #require(web.ports?.first?.hostPort), from: "other")
      #expect(around == "hello\n")
      if failpoint == .userNetworkKept {
        for process in left { try await DescriptorWatcher.shared.readable(process.descriptor) }
      } else if let keeper {
        #expect(try holder(scene, "network/lock") == keeper)
      }
      try await scene.removeAll()
    }
  }

  /// What a service is asked for when it dies.
  enum Doomed: String, Sendable, CaseIterable {
    case run, start, publish, unpublish

    var failpoints: [Failpoint] {
      switch self {
      case .run:
        [
          .portsReserved, .containerPrepared, .containerRecorded, .linkReady, .portsPublished,
          .containerStarted,
        ]
      case .start: [.portsReserved, .linkReady, .portsPublished, .containerStarted]
      case .publish: [.portsReserved, .portsRecorded, .portsPublished]
      case .unpublish: [.portsWithdrawn]
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
    "a service is killed between two steps: the port is as the row says, and free where it says nothing",
    arguments: Death.all, Account.available)
  func killed(death: Death, account: Account) async throws {
    try await NetworkScene.with(account) { scene, _ in
      try await scene.importServer()
      let mapping = PortMapping(hostPort: 18090, containerPort: 80)
      let creation = ContainerCreation(
        image: "busybox:1", name: "web", command: ["httpd", "-f", "-p", "80", "-h", "/www"], network: .bridge,
        ports: death.request == .publish ? nil : [mapping], initProcess: true)
      switch death.request {
      case .run: break
      case .start: _ = try await scene.service.send(ContainerCreate.self, .init(creation))
      case .publish, .unpublish:
        var run = ContainerRun.Params(creation)
        run.detach = true
        _ = try await scene.service.send(ContainerRun.self, run)
        try await scene.waitForPort("web")
      }
      let doomed = try await scene.store.service("doomed", failpoint: death.failpoint.rawValue)
      await #expect(throws: (any Error).self) {
        switch death.request {
        case .run:
          var run = ContainerRun.Params(creation)
          run.detach = true
          _ = try await doomed.send(ContainerRun.self, run)
        case .start: _ = try await doomed.send(ContainerStart.self, .init(container: "web"))
        case .publish:
          _ = try await doomed.send(ContainerPublish.self, .init(container: "web", ports: [mapping]))
        case .unpublish:
          _ = try await doomed.send(ContainerUnpublish.self, .init(container: "web", ports: [mapping]))
        }
      }
      #expect(await doomed.process.waitForExit() == 128 + SIGKILL)
      _ = try await scene.service.send(NetworkList.self, .init())
      let found = try await scene.service.send(ContainerList.self, .init(all: true)).containers.first
      if found?.state == .running {
        try await scene.waitForPort("web")
        #expect(try await scene.listens(18090) == (found?.ports?.isEmpty == false))
        _ = try await scene.service.send(ContainerStop.self, .init(container: "web", timeoutMs: 0))
      }
      // Whoever asks for it next has it.
      if found != nil {
        _ = try await scene.service.send(ContainerRemove.self, .init(container: "web", force: true))
      }
      try await scene.serve("next", [mapping])
      #expect(try await scene.fetch(18090) == "hello\n")
    }
  }

  @Test(
    "two hundred containers with ports that come and go leave no socket and no process",
    arguments: Account.available)
  func manyContainers(account: Account) async throws {
    try await NetworkScene.with(account) { scene, _ in
      try await scene.importServer()
      for _ in 0..<25 {
        try await withThrowingTaskGroup { group in
          for _ in 0..<8 {
            group.addTask {
              let ended = try await scene.service.run(["true"]) {
                $0.ports = [.init(containerPort: 80), .init(containerPort: 53, transport: .udp)]
                $0.autoRemove = true
              }
              #expect(ended.exit.code == 0)
            }
          }
          try await group.waitForAll()
        }
      }
      #expect(try await scene.host.shell("ss -Hltun").isEmpty)
      let left = try await ChildProcess.run(["ls", scene.store.run.appending("containers").string])
      #expect(left.text.isEmpty)
      let bridge = try await scene.service.send(NetworkInspect.self, .init(network: "bridge"))
      #expect(bridge.endpoints.isEmpty)
    }
  }
}
