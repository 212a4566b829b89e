import Glibc
import RPCModel
import TestSupport
import Testing

@Suite("Published ports", .requires(.networks))
struct PublishedPortTests {
  /// As busybox's server writes them: [::ffff:192.0.2.2].
  private func address(_ text: String) -> String {
    let bare = text.filter { !"[]\n".contains($0) }
    return bare.hasPrefix("::ffff:") ? String(bare.dropFirst(7)) : bare
  }

  @Test(
    "a port is reached from localhost, by the machine's address, from elsewhere and from containers",
    arguments: Account.available)
  func everywhere(account: Account) async throws {
    try await NetworkScene.with(account) { scene, elsewhere in
      try await scene.importServer()
      let web = try await scene.serve("web", [.init(containerPort: 80)])
      let port = try #require(web.ports?.first)
      #expect(port.containerPort == 80 && port.transport == .tcp && port.hostPort > 0)
      for address in ["127.0.0.1", "[::1]", "192.0.2.1", "[2001:db8::1]"] {
        let page = try await scene.fetch(port.hostPort, at: address)
        #expect(page == "hello\n", "\(address)")
      }
      let outside = try await elsewhere.shell("curl -sS --max-time 120 http://192.0.2.1:\(port.hostPort)/")
      #expect(outside == "hello\n")
      try await scene.start("other")
      for (target, number) in [("web", 80), ("192.0.2.1", port.hostPort), ("2001:db8::1", port.hostPort)] {
        let page = try await scene.get(target, number, from: "other")
        #expect(page == "hello\n", "\(target)")
      }
      // And so by itself.
      let own = try await scene.get("192.0.2.1", port.hostPort, from: "web")
      #expect(own == "hello\n")
    }
  }

  @Test(
    "a server sees who connects: from elsewhere, from this machine, and from containers",
    arguments: Account.available)
  func clients(account: Account) async throws {
    try await NetworkScene.with(account) { scene, elsewhere in
      try await scene.importServer()
      let port = try #require(try await scene.serve("web", [.init(containerPort: 80)]).ports?.first?.hostPort)
      for (from, address, seen) in [
        (elsewhere, "192.0.2.1", "192.0.2.2"), (elsewhere, "[2001:db8::1]", "2001:db8::2"),
        (scene.host, "192.0.2.1", "192.0.2.1"),
      ] {
        // Twice from one port: the first connection lingers.
        let client = try await from.shell(
          "for n in 1 2; do curl -gsS --max-time 120 --local-port 50123 http://\(address):\(port)/cgi-bin/who; done"
        )
        let lines = client.split(separator: "\n").map { self.address(String($0)) }
        #expect(lines == [seen, seen], "\(address)")
      }
      // What programs trust, nobody can be taken for.
      let local = try await scene.host.shell("curl -sS --max-time 120 http://127.0.0.1:\(port)/cgi-bin/who")
      let own = try #require(try await scene.addresses("web", "bridge").first)
      #expect(self.address(local) == own)
      try await scene.start("other")
      if account == .root {
        let other = try #require(try await scene.addresses("other", "bridge").first)
        let named = try await scene.get("192.0.2.1", port, from: "other", path: "/cgi-bin/who")
        #expect(self.address(named) == other)
      }
      // The next life of a container that its policy starts again does so too.
      let again = try await scene.serve("again", [.init(containerPort: 80)]) {
        $0.restart = .init(kind: .always)
      }
      kill(Int32(clamping: try #require(again.pid)), SIGKILL)
      try await scene.waitForRestart("again")
      try await scene.waitForPort("again")
      let second = try #require(again.ports?.first?.hostPort)
      let seen = try await elsewhere.shell("curl -sS --max-time 120 http://192.0.2.1:\(second)/cgi-bin/who")
      #expect(self.address(seen) == "192.0.2.2")
    }
  }

  @Test("containers reach what is elsewhere", arguments: Account.available)
  func outward(account: Account) async throws {
    try await NetworkScene.with(account) { scene, elsewhere in
      try await scene.importServer()
      let server = try await ChildProcess.spawn(
        elsewhere.launcher + [
          "python3", "-uc",
          """
          import socket
          s = socket.create_server(("", 80)); print("up")
          while True:
              c, peer = s.accept(); c.recv(1000); c.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\n" + peer[0].encode()); c.close()
          """,
        ], output: .pipe, diesWithTests: true)
      try await server.firstOutput()
      try await scene.start("inside")
      // By the services' machine's own address, whoever made the packets.
      let seen = try await scene.get("192.0.2.2", 80, from: "inside")
      #expect(seen == "192.0.2.1")
      server.signal(SIGKILL)
      _ = try await server.waitForExit()
    }
  }

  @Test("a taken port is a conflict before anything is there", arguments: Account.available)
  func taken(account: Account) async throws {
    try await NetworkScene.with(account) { scene, _ in
      try await scene.importServer()
      let web = try await scene.serve("web", [.init(containerPort: 80)])
      let port = try #require(web.ports?.first?.hostPort)
      await scene.expect(
        .conflict, of: ContainerRun.self,
        .init(
          image: "busybox:1", command: ["true"],
          ports: [.init(containerPort: 81), .init(hostPort: port, containerPort: 80)]))
      let containers = try await scene.service.send(ContainerList.self, .init(all: true)).containers
      #expect(containers.map(\.name) == ["web"])
      // The first free one of several.
      let next = try await scene.serve(
        "next", [.init(hostPort: port, hostPortEnd: port + 3, containerPort: 80)])
      let second = try #require(next.ports?.first?.hostPort)
      #expect((port + 1...port + 3).contains(second))
      for mapping in [
        PortMapping(hostPort: 9, hostPortEnd: 10, containerPort: 80, containerPortEnd: 90),
        PortMapping(address: "nowhere", containerPort: 80),
        PortMapping(hostPort: 10, hostPortEnd: 9, containerPort: 80),
        PortMapping(address: "203.0.113.7", containerPort: 80),
      ] {
        await scene.expect(
          .invalidArgument, of: ContainerRun.self,
          .init(image: "busybox:1", command: ["true"], ports: [mapping]))
      }
      for network in [NetworkMode.none, .host] {
        await scene.expect(
          .invalidArgument, of: ContainerCreate.self,
          .init(image: "busybox:1", network: network, ports: [.init(containerPort: 80)]))
      }
      if account == .ordinary {
        await scene.expect(
          .permissionDenied, of: ContainerRun.self,
          .init(image: "busybox:1", command: ["true"], ports: [.init(hostPort: 80, containerPort: 80)]))
      }
      // Who hears of the end can have the port.
      _ = try await scene.service.send(ContainerStop.self, .init(container: "web", timeoutMs: 0))
      try await scene.serve("again", [.init(hostPort: port, containerPort: 80)])
    }
  }

  @Test(
    "ports come to a running container and go, by any service, with an event", arguments: Account.available)
  func live(account: Account) async throws {
    try await NetworkScene.with(account) { scene, _ in
      try await scene.importServer()
      try await scene.serve("web", []) { $0.network = .bridge }
      _ = try await scene.service.send(EventSubscribe.self, .init())
      let added = try await scene.service.send(
        ContainerPublish.self,
        .init(
          container: "web", ports: [.init(containerPort: 80), .init(address: "127.0.0.1", containerPort: 80)])
      ).ports
      #expect(added.count == 2)
      for port in added {
        let page = try await scene.fetch(port.hostPort)
        #expect(page == "hello\n")
      }
      #expect(try await scene.ports("web") == added)
      let other = try await scene.store.service("other")
      _ = try await other.send(
        ContainerUnpublish.self,
        .init(container: "web", ports: [.init(hostPort: added[0].hostPort, containerPort: 80)]))
      #expect(await other.stop() == 0)
      #expect(try await !scene.listens(added[0].hostPort))
      #expect(try await scene.fetch(added[1].hostPort) == "hello\n")
      #expect(try await scene.ports("web") == [added[1]])
      await scene.expect(
        .notFound, of: ContainerUnpublish.self, .init(container: "web", ports: [.init(containerPort: 81)]))
      // The next start has what is left, at a free port again.
      _ = try await scene.service.send(ContainerRestart.self, .init(container: "web", timeoutMs: 0))
      try await scene.waitForPort("web")
      let left = try #require(try await scene.ports("web").first)
      #expect(left.address == "127.0.0.1")
      #expect(try await scene.fetch(left.hostPort) == "hello\n")
      let published = await scene.service.notifications.event("container.published")
      #expect(
        published?.attributes["ports"]
          == .string("\(added[0].hostPort):80/tcp 127.0.0.1:\(added[1].hostPort):80/tcp"))
      let unpublished = await scene.service.notifications.event("container.unpublished")
      #expect(unpublished?.attributes["ports"] == .string("\(added[0].hostPort):80/tcp"))
    }
  }

  @Test(
    "a container that its policy starts again keeps its ports, also without a service",
    arguments: Account.available)
  func restarts(account: Account) async throws {
    try await NetworkScene.with(account) { scene, _ in
      try await scene.importServer()
      let doomed = try await scene.store.service("doomed")
      let params = ContainerRun.Params(
        image: "busybox:1", name: "web", command: ["httpd", "-f", "-p", "80", "-h", "/www"],
        ports: [.init(containerPort: 80)], restart: .init(kind: .always), detach: true)
      let web = try await doomed.send(ContainerRun.self, params).container
      let port = try #require(web.ports?.first?.hostPort)
      doomed.process.kill(SIGKILL)
      _ = await doomed.process.waitForExit()
      kill(Int32(clamping: try #require(web.pid)), SIGKILL)
      try await scene.waitForRestart("web")
      try await scene.waitForPort("web")
      #expect(try await scene.fetch(port) == "hello\n")
      #expect(try await scene.ports("web").map(\.hostPort) == [port])
    }
  }

  @Test(
    "datagrams find their way to a published port and back, from this machine, from elsewhere and from containers",
    arguments: Account.available)
  func datagrams(account: Account) async throws {
    try await NetworkScene.with(account) { scene, elsewhere in
      try await scene.importServer()
      let ports = [
        PortMapping(hostPort: 0, containerPort: 53, transport: .udp),
        PortMapping(address: "127.0.0.1", hostPort: 18053, containerPort: 53, transport: .udp),
      ]
      let web = try await scene.serve("web", ports)
      let published = try #require(web.ports)
      #expect(published.count == 2 && published[0].hostPort > 0 && published[1].hostPort == 18053)
      let server = try await ChildProcess.spawn(
        [
          "nsenter", "--net=/proc/\(try #require(web.pid))/ns/net", "python3", "-uc",
          """
          import socket
          s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.bind(("::", 53)); print("up")
          while True:
              data, peer = s.recvfrom(65536); s.sendto(b"<" + data + b"> " + peer[0].encode(), peer)
          """,
        ], output: .pipe, diesWithTests: true)
      try await server.firstOutput()
      func ask(_ address: String, _ port: Int) -> String {
        // From another address than the one that was asked, nothing is taken.
        """
        python3 -c 'import socket
        s = socket.socket(socket.\(address.contains(":") ? "AF_INET6" : "AF_INET"), socket.SOCK_DGRAM)
        s.settimeout(300); s.connect(("\(address)", \(port))); s.send(b"x"); print(s.recv(100).decode())'
        """
      }
      let own = try await scene.addresses("web", "bridge")
      func expect(_ answer: String, _ from: String) {
        let words = answer.split(whereSeparator: \.isWhitespace).map { self.address(String($0)) }
        #expect(words.first == "<x>", "\(from)")
        // Who asked is not to be seen.
        #expect(words.last.map(own.contains) == true, "\(from): \(answer), \(own)")
      }
      for address in ["127.0.0.1", "::1", "192.0.2.1", "2001:db8::1"] {
        expect(try await scene.host.shell(ask(address, published[0].hostPort)), address)
      }
      expect(try await scene.host.shell(ask("127.0.0.1", 18053)), "its own address")
      expect(try await elsewhere.shell(ask("192.0.2.1", published[0].hostPort)), "elsewhere")
      let other = try await scene.start("other")
      let inside = try await ChildProcess.run([
        "nsenter", "--net=/proc/\(try #require(other.pid))/ns/net", "sh", "-ec",
        ask("192.0.2.1", published[0].hostPort),
      ])
      expect(inside.text, "a container: \(inside.errorText)")
      server.signal(SIGKILL)
      _ = try await server.waitForExit()
    }
  }

  @Test("what an image exposes, ranges, and UDP", arguments: Account.available)
  func exposed(account: Account) async throws {
    try await NetworkScene.with(account) { scene, _ in
      _ = try await scene.service.send(
        ImageImport.self,
        .init(
          path: try await scene.store.busyboxArchive().string, reference: "busybox:1",
          changes: .init(exposedPorts: ["80/tcp", "53/udp", "8000-8001"])))
      let all = try await scene.service.send(
        ContainerRun.self,
        .init(
          image: "busybox:1", name: "all", command: ["sleep", "1000"],
          ports: [.init(address: "127.0.0.1", hostPort: 18080, containerPort: 80)], publishExposed: true,
          initProcess: true, detach: true)
      ).container
      let ports = try #require(all.ports)
      #expect(
        ports.map { "\($0.containerPort)/\($0.transport.rawValue)" }.sorted()
          == ["53/udp", "80/tcp", "8000/tcp", "8001/tcp"])
      #expect(ports.contains { $0.hostPort == 18080 && $0.address == "127.0.0.1" })
    }
  }

  @Test(
    "a range leaves what another has no other for, and what can never fit is refused before anything is there",
    arguments: Account.available)
  func ranges(account: Account) async throws {
    try await NetworkScene.with(account) { scene, _ in
      try await scene.importServer()
      let range = PortMapping(hostPort: 18200, hostPortEnd: 18201, containerPort: 80)
      let ports = [range, PortMapping(hostPort: 18200, containerPort: 81)]
      let web = try await scene.serve("web", ports)
      #expect(web.ports?.map { "\($0.hostPort):\($0.containerPort)" } == ["18201:80", "18200:81"])
      #expect(try await scene.fetch(18201) == "hello\n")
      await scene.expect(
        .invalidArgument, of: ContainerCreate.self,
        .init(image: "busybox:1", ports: ports + [.init(hostPort: 18201, containerPort: 82)]))
      await scene.expect(
        .invalidArgument, of: ContainerPublish.self,
        .init(container: "web", ports: [.init(hostPort: 18201, containerPort: 82)]))
      await scene.service.expect(
        .invalidArgument, of: ContainerCreate.self,
        .init(image: "busybox:1", ports: [.init(hostPort: 0, hostPortEnd: 9, containerPort: 80)]),
        hasHint: true, saying: "no first")
    }
  }

  @Test("the REPL publishes, lists and takes back", arguments: Account.available)
  func inTheREPL(account: Account) async throws {
    try await NetworkScene.with(account) { scene, _ in
      try await scene.importServer()
      func repl(_ line: String) async throws -> (
        text: String, errors: String, status: ChildProcess.ExitStatus
      ) {
        let result = try await scene.store.runProgram("coracle-repl", ["-c", line])
        return (result.text, result.errorText, result.status)
      }
      let run = try await repl("run -d --name web -p 127.0.0.1:18081:80 busybox:1 httpd -f -p 80 -h /www")
      #expect(run.text == "web\n", "\(run.errors)")
      #expect(try await repl("port web").text == "80/tcp -> 127.0.0.1:18081\n")
      #expect(try await repl("ps").text.contains("127.0.0.1:18081->80/tcp"))
      #expect(
        try await repl("publish web 18082-18083:81-82/udp").text == "*:18082->81/udp\n*:18083->82/udp\n")
      #expect(try await repl("port web 82/udp").text == "*:18083\n")
      #expect(try await repl("unpublish web 81/udp").status == .exited(0))
      #expect(try await repl("port web").text == "80/tcp -> 127.0.0.1:18081\n82/udp -> *:18083\n")
      let taken = try await repl("run -p 18081:80 busybox:1 true")
      #expect(taken.status == .exited(1) && taken.errors.contains("the port is taken"))
      #expect(try await repl("run -p 80:x busybox:1 true").errors.contains("not a port"))
    }
  }
}
