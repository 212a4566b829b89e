import Glibc
import RPCModel
import TestSupport
import Testing

/// What RUNs have of networks, in a network namespace of the test's, and that nothing of it stays.
@Suite("Networks of builds", .requires(.networks))
struct BuildNetworkTests {
  /// A web server on the other machine, which answers so many times.
  private func serve(_ elsewhere: TestNetwork, times: Int) async throws {
    let program = """
      import os, signal, socket
      server = socket.create_server(("192.0.2.2", 80))
      if os.fork(): os._exit(0)
      os.setsid()
      for number in range(3): os.dup2(os.open("/dev/null", os.O_RDWR), number)
      signal.alarm(1200)
      for _ in range(\(times)):
          client = server.accept()[0]
          client.recv(4096)
          client.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\noutside\\n")
          client.close()
      """
    let made = try await ChildProcess.run(elsewhere.launcher + ["/usr/bin/python3", "-c", program])
    #expect(made.succeeded, "\(made.errorText)")
  }

  private func context(_ scene: NetworkScene) async throws -> BuildContext {
    _ = try await scene.service.importBusybox(scene.store, BuildContext.programs)
    let context = BuildContext(store: scene.store, service: scene.service)
    try await context.script("mkdir -p context")
    return context
  }

  @Test(
    "a RUN reaches other machines, its network's containers by name, and whom the machine asks for names",
    arguments: Account.available)
  func outside(account: Account) async throws {
    try await NetworkScene.with(account) { scene, elsewhere in
      let context = try await context(scene)
      try await serve(elsewhere, times: 3)
      _ = try await scene.service.send(NetworkCreate.self, .init(name: "back"))
      try await scene.start("neighbour", [.init(network: "back")])
      let fetch = "busybox wget -q -O - http://192.0.2.2/"
      let file = """
        FROM busybox:1
        RUN \(fetch); busybox ip -o -4 addr show eth0 | busybox grep -c inet; ! busybox ping -c 1 -W 1 neighbour > /dev/null 2>&1
        RUN --network=default \(fetch)
        RUN --network=none ! \(fetch) 2>/dev/null; ls /sys/class/net
        """
      for network in [nil, "default", "bridge"] as [String?] {
        let output = FoundDigest()
        let built = try await context.build(file, output: output) { $0.network = network }
        #expect(built.networkWarning == nil)
        // All of them mean the same, and so have the same cache.
        if network != nil {
          #expect(built.areAllCached)
        } else {
          #expect(output.text == "#2 outside\n#2 1\n#3 outside\n#4 lo\n", "\(output.text)")
        }
      }
      let named = FoundDigest()
      _ = try await context.build(
        """
        FROM busybox:1
        RUN busybox ping -c 1 -W 120 neighbour > /dev/null && echo heard; \(fetch); cat /etc/resolv.conf > /r
        """, references: ["names:1"], output: named
      ) { $0.network = "back" }
      #expect(named.text == "#2 heard\n#2 outside\n", "\(named.text)")
      let error = try await context.failure("FROM busybox:1\nRUN true") { $0.network = "nope" }
      #expect(error.data?.kind == .notFound && error.message.contains("nope"), "\(error.message)")
      let none = try await context.failure("FROM busybox:1\nRUN \(fetch)") { $0.network = "none" }
      #expect(none.data?.kind == .buildFailed)
      #expect(none.data?.hint?.contains("--network none") == true, "\(none.data?.hint ?? "no hint")")
    }
  }

  @Test("RUNs at the same time have networks of their own, later ones have an earlier one's again")
  func shared() async throws {
    try await NetworkScene.with { scene in
      let context = try await context(scene)
      // Each stage's first RUN waits for the other one's, by what they see of the network that they must not share.
      let own = "busybox ip -o -4 addr show eth0 | busybox awk '{print $4}'"
      let space = "busybox readlink /proc/self/ns/net"
      func until(_ file: String) -> String {
        "busybox timeout 300 sh -c 'until test -e \(file); do busybox usleep 10000; done'"
      }
      let lines = FoundDigest()
      _ = try await context.build(
        """
        FROM busybox:1 AS a
        RUN --mount=type=cache,target=/c touch /c/a; \(until("/c/b")); \(own); \(space); touch /c/a2; \(until("/c/b2"))
        RUN \(own); \(space)
        FROM busybox:1 AS b
        RUN --mount=type=cache,target=/c touch /c/b; \(until("/c/a")); \(own); \(space); touch /c/b2; \(until("/c/a2"))
        FROM busybox:1
        COPY --from=a /etc/passwd /a
        COPY --from=b /etc/passwd /b
        RUN \(own); \(space)
        """, output: lines
      ) { $0.network = nil }
      func said(_ step: Int) -> [Substring] {
        lines.text.split(separator: "\n").filter { $0.hasPrefix("#\(step) ") }.map { $0.drop { $0 != " " } }
      }
      let (first, second, other, last) = (said(2), said(3), said(5), said(9))
      try #require(
        first.count == 2 && other.count == 2 && second.count == 2 && last.count == 2, "\(lines.text)")
      #expect(first[0] != other[0] && first[1] != other[1])
      #expect([first, other].contains(second) && [first, other].contains(last))
    }
  }

  @Test("a network in which a RUN is cannot be removed; when the build has ended, however that was, it can")
  func ends() async throws {
    try await NetworkScene.with { scene in
      let context = try await context(scene)
      _ = try await scene.create("back")
      let out = scene.service.process.connection.receiver(credit: 1 << 20)
      var params = context.params("FROM busybox:1\nRUN echo begun; exec sleep 1000") { $0.network = "back" }
      params.output = out.id
      let building = Task { [params] in try await scene.service.send(BuildStart.self, params) }
      for await chunk in out.chunks where String(decoding: chunk, as: UTF8.self).contains("begun") { break }
      await scene.expect(.inUse, of: NetworkRemove.self, .init(network: "back"))
      let plan = try await scene.service.send(SystemPrune.self, .init(kinds: [.network]))
      #expect(plan.items.isEmpty)
      building.cancel()
      let cancelled = await #expect(throws: RPCError.self) { _ = try await building.value }
      #expect(cancelled?.data?.kind == .cancelled)
      _ = try await scene.service.send(NetworkRemove.self, .init(network: "back"))
      let failed = try await context.failure("FROM busybox:1\nRUN false") { $0.network = nil }
      #expect(failed.data?.kind == .buildFailed)
      _ = try await context.build("FROM busybox:1\nRUN true") { $0.network = nil }
    }
  }

  @Test("an instruction that is kept to look into it has the network that it had")
  func kept() async throws {
    try await NetworkScene.with { scene in
      let context = try await context(scene)
      let error = try await context.failure("FROM busybox:1\nRUN exit 3") {
        $0.network = nil
        $0.debug = .init()
      }
      let container = try #require(error.data?.container)
      _ = try await scene.service.send(ContainerStart.self, .init(container: container))
      try await scene.shell(
        container, "busybox ip -4 addr show eth0 | busybox grep -q inet && test -s /etc/hosts")
      _ = try await scene.service.send(ContainerRemove.self, .init(container: container, force: true))
    }
  }

  @Test(
    "killed while a RUN gets its network, a service leaves nothing that the next one does not take away",
    arguments: ["networkRecorded", "endpointRecorded", "linkMade", "linkReady", "containerPrepared"])
  func killed(failpoint: String) async throws {
    try await NetworkScene.with { scene in
      _ = try await context(scene)
      let doomed = BuildContext(
        store: scene.store, service: try await scene.store.service("doomed", failpoint: failpoint))
      await #expect(throws: (any Error).self) {
        _ = try await doomed.build("FROM busybox:1\nRUN true") { $0.network = nil }
      }
      await doomed.service.expectDeath()
      let next = BuildContext(store: scene.store, service: try await scene.store.service("next"))
      _ = try await next.build("FROM busybox:1\nRUN true") { $0.network = nil }
      // Its look at what the dead have left is in its own time.
      try await eventually(describing: "the network is in nobody's use") {
        do {
          _ = try await next.service.send(NetworkRemove.self, .init(network: "bridge"))
          return true
        } catch let error as RPCError where error.data?.kind == .inUse {
          return false
        }
      }
      #expect(await next.service.stop() == 0)
    }
  }

  @Test("where no image of a name can be had, the stage that may be meant is told", .requires(.mount))
  func nearStage() async throws {
    try await withBuildContext(.root) { context in
      let store = context.store
      for file in [
        "FROM busybox:1 AS builder\\nFROM busybox:1\\nCOPY --from=bilder /a /\\n",
        "FROM busybox:1 AS builder\\nFROM biulder\\n",
      ] {
        try await context.script("printf '\(file)' > context/Dockerfile")
        // In a network namespace from which nobody is asked for anything.
        let built = try await ChildProcess.run(
          [
            "/usr/bin/unshare", "--net", "/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME=\(store.directory)", "CORACLE_STORE=\(store.store)",
            "CORACLE_RUN=\(store.directory)/other-run", "NO_COLOR=1",
            try Programs.directory.get().appending("coracle-repl").string, "-c",
            "build --network none \(context.path)",
          ], workingDirectory: store.directory)
        #expect(built.status == .exited(1), "\(built.text)")
        #expect(built.errorText.contains("did you mean the stage builder?"), "\(built.errorText)")
      }
    }
  }

  @Test(
    "where no networks can be made, RUNs have none, and it is said; one that is named is an error",
    .requires(.mount), arguments: Account.available)
  func missing(account: Account) async throws {
    try await withBuildContext(account) { context in
      let store = context.store
      let variables = [
        "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=\(store.directory)", "CORACLE_STORE=\(store.store)",
        "CORACLE_RUN=\(store.directory)/other-run", "NO_COLOR=1",
      ]
      // A machine on which the library is damaged, and the device is not there.
      let hide =
        "mount --bind /dev/null $(realpath /usr/lib/*/libnftables.so.1); mount -t tmpfs none /dev/net; exec \"$@\""
      func build(_ network: [String]) async throws -> ChildProcess.Result {
        try await ChildProcess.run(
          ["/usr/bin/unshare", "--mount", "sh", "-ec", hide, "sh"] + account.launcher + [
            "/usr/bin/env", "-i",
          ] + variables
            + [
              try Programs.directory.get().appending("coracle-repl").string, "-c",
              "build --no-cache \(network.joined(separator: " ")) \(context.path)",
            ], workingDirectory: store.directory)
      }
      try await context.script("printf 'FROM busybox:1\\nRUN ls /sys/class/net\\n' > context/Dockerfile")
      let without = try await build([])
      #expect(without.status == .exited(0) && without.text.hasPrefix("#2 lo\n"), "\(without.errorText)")
      let what = account == .root ? "libnftables" : "/dev/net/tun"
      #expect(without.errorText.contains("RUNs have no network"), "\(without.errorText)")
      #expect(without.errorText.contains(what), "\(without.errorText)")
      let named = try await build(["--network", "bridge"])
      #expect(named.status == .exited(1), "\(named.text)")
      #expect(named.errorText.contains("error: Dockerfile:2:1: RUN"), "\(named.errorText)")
      let none = try await build(["--network", "none"])
      #expect(none.status == .exited(0) && !none.errorText.contains("RUNs have no network"))
    }
  }
}
