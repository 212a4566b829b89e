import Foundation
import Glibc
import RPCModel
import Synchronization
import TestSupport
import Testing

@Suite("Containers, from end to end")
struct ContainerLifeTests {
  @Test(
    "output, exit code and environment of a run; invariant 4: each has a fresh writable layer",
    arguments: Account.available)
  func run(account: Account) async throws {
    try await withBusyboxService(account) { _, service in
      let first = try await service.run([
        "sh", "-c", "echo out; echo err >&2; echo x > /mine; ls /mine; exit 3",
      ]) {
        $0.environment = ["A": "b c"]
      }
      #expect(first.stdout == "out\n/mine\n" && first.stderr == "err\n")
      #expect(first.exit.code == 3 && first.exit.signal == nil && first.container.state == .exited)
      let second = try await service.run(["sh", "-c", "ls /mine || echo none; echo $A; id -u; pwd; hostname"])
      {
        $0.environment = ["A": "b c"]
        $0.user = "user"
        $0.workingDirectory = "/tmp"
        $0.hostname = "ship"
        $0.autoRemove = true
      }
      #expect(second.stdout == "none\nb c\n1000\n/tmp\nship\n")
      let listed = try await service.send(ContainerList.self, .init(all: true)).containers
      #expect(listed.map(\.id) == [first.container.id])
    }
  }

  @Test("labels, and names that are made up where none is given", arguments: Account.available)
  func labels(account: Account) async throws {
    try await withBusyboxService(account) { store, service in
      let labels = ["org.example.a": "1", "empty": "", "of": "words and =s"]
      let made = try await service.send(
        ContainerCreate.self, .init(image: "busybox:1", command: ["true"], labels: labels)
      ).container
      let plain = try await service.send(ContainerCreate.self, .init(image: "busybox:1", command: ["true"]))
        .container
      #expect(made.labels == labels && plain.labels == [:])
      #expect(!made.name.isEmpty && !plain.name.isEmpty && made.name != plain.name)
      let other = try await store.service("other")
      let listed = try await other.send(ContainerList.self, .init(all: true)).containers
      #expect(listed.map(\.labels) == [[:], labels])
      #expect(
        try await other.send(ContainerInspect.self, .init(container: made.name)).container.labels == labels)
      #expect(await other.stop() == 0)
    }
  }

  @Test(
    "isolation: own processes, no network but loopback, masked paths, default capabilities",
    arguments: Account.available)
  func isolation(account: Account) async throws {
    try await withBusyboxService(account) { _, service in
      let output = try await service.run([
        "sh", "-c",
        "echo $$; ls /proc | head -n 1; cat /proc/net/dev | wc -l; cat /proc/kcore | wc -c; head -n 60 /proc/self/status",
      ]).stdout.split(separator: "\n").map(String.init)
      #expect(Array(output.prefix(4)) == ["1", "1", "3", "0"])
      #expect(output.contains("CapEff:\t00000000a00425fb"))
      #expect(output.contains("CapInh:\t0000000000000000"))
      #expect(output.contains("Seccomp:\t2"))
    }
  }

  @Test(
    "one that removes itself with its end, or starts again at once, can be removed by force all the same",
    arguments: Account.available)
  func forcedAutoRemove(account: Account) async throws {
    try await withBusyboxService(account) { store, service in
      let other = try await store.service("other")
      for (command, restart) in [
        (["sleep", "1000"], nil), (["true"], RestartPolicy(kind: .always)), (["sleep", "1000"], nil),
        (["true"], RestartPolicy(kind: .always)), (["true"], RestartPolicy(kind: .always)),
      ] {
        var params = ContainerRun.Params(image: "busybox:1", command: command, detach: true)
        params.autoRemove = restart == nil
        params.restart = restart
        let container = try await service.send(ContainerRun.self, params).container
        _ = try await other.send(ContainerRemove.self, .init(container: container.id, force: true))
      }
      #expect(try await other.send(ContainerList.self, .init(all: true)).containers == [])
      #expect(await other.stop() == 0)
    }
  }

  @Test(
    "removal by force: each end and each removal is told once, in this order, and who waits hears how it ended",
    arguments: Account.available)
  func forcedRemoval(account: Account) async throws {
    try await withBusyboxService(account) { store, service in
      let other = try await store.service("other")
      for each in [service, other] {
        _ = try await each.send(EventSubscribe.self, .init(kinds: ["container."]))
      }
      var started: [String] = []
      for _ in 0..<6 {
        started.append(
          try await service.send(
            ContainerRun.self, .init(image: "busybox:1", command: ["sleep", "1000"], detach: true)
          ).container.id)
      }
      let ids = started
      // A paused one, and one that both remove at once.
      var paused = false
      do {
        _ = try await service.send(ContainerPause.self, .init(container: ids[0]))
        paused = true
      } catch let error as RPCError {
        #expect(error.data?.kind == .unsupported)
      }
      async let waited = other.send(ContainerWait.self, .init(container: ids[1]))
      async let both: ContainerRemove.Result = other.send(
        ContainerRemove.self, .init(container: ids[2], force: true))
      try await withThrowingTaskGroup(of: Void.self) { group in
        for id in ids {
          group.addTask {
            do {
              _ = try await service.send(ContainerRemove.self, .init(container: id, force: true))
            } catch let error as RPCError {
              #expect(id == ids[2] && error.data?.kind == .notFound, "\(error)")
            }
          }
        }
        try await group.waitForAll()
      }
      do { _ = try await both } catch let error as RPCError { #expect(error.data?.kind == .notFound) }
      do { #expect(try await waited.exit?.code == 137) } catch let error as RPCError {
        // It came too late, with the container gone.
        #expect(error.data?.kind == .notFound)
      }
      for each in [service, other] {
        for id in ids {
          _ = await each.notifications.event("container.removed", subject: id)
          let kinds = each.notifications.events.filter { $0.subject == id }.map(\.kind)
          let pause = paused && id == ids[0] ? ["container.paused"] : []
          #expect(
            kinds.filter { $0 != "container.unpaused" } == ["container.created", "container.started"] + pause
              + ["container.exited", "container.removed"])
        }
        #expect(try await each.send(ContainerList.self, .init(all: true)).containers == [])
        // Waits for what is removed in the service's own time.
        _ = try await each.send(SystemDiskUsage.self, .init())
      }
      for directory in ["containers", "staging"] {
        let left = try FileManager.default.contentsOfDirectory(
          atPath: store.store.appending(directory).string)
        #expect(left == [])
      }
      #expect(await other.stop() == 0)
    }
  }

  @Test("a command that does not exist: 127, a clear error, and no start", arguments: Account.available)
  func commandNotFound(account: Account) async throws {
    try await withBusyboxService(account) { _, service in
      _ = try await service.send(EventSubscribe.self, .init())
      let error = await #expect(throws: RPCError.self) { try await service.run(["nope"]) }
      #expect(error?.data?.kind == .notFound)
      #expect(error?.message.contains("nope") == true)
      let container = try #require(
        try await service.send(ContainerList.self, .init(all: true)).containers.first)
      #expect(container.exit?.code == 127)
      _ = await service.notifications.event("container.exited")
      #expect(service.notifications.events.map(\.kind) == ["container.created", "container.exited"])
      let denied = await #expect(throws: RPCError.self) { try await service.run(["/etc/passwd"]) }
      #expect(denied?.data?.kind == .permissionDenied)
    }
  }

  @Test("standard input reaches run, attach and exec", arguments: Account.available)
  func input(account: Account) async throws {
    try await withBusyboxService(account) { _, service in
      let text = String(repeating: "line é\n", count: 20_000)
      #expect(try await service.run(["cat"], input: Array(text.utf8)).stdout == text)
      let other = try await service.send(
        ContainerRun.self, .init(image: "busybox:1", command: ["sleep", "1000"], detach: true)
      ).container
      let echoed = try await service.exec(
        other.name, ["sh", "-c", "cat; id -u; exit 5"], user: "1000:50", input: Array("in\n".utf8))
      #expect(echoed.stdout == "in\n1000\n" && echoed.exit.code == 5)
      let missing = await #expect(throws: RPCError.self) { try await service.exec(other.name, ["nope"]) }
      #expect(missing?.data?.kind == .notFound)
      _ = try await service.send(ContainerRemove.self, .init(container: other.id, force: true))

      let container = try await service.send(
        ContainerRun.self, .init(image: "busybox:1", command: ["cat"], opensStdin: true, detach: true)
      ).container
      let (out, sender) = (
        service.process.connection.receiver(credit: 1000), service.process.connection.sender()
      )
      async let attached = service.send(
        ContainerAttach.self,
        .init(container: container.id, streams: OutputStreams(stdout: out.id), stdin: sender.id))
      _ = try await sender.send(Array("hello\n".utf8))
      await sender.close()
      #expect(await out.text() == "hello\n")
      #expect(try await attached.exit.code == 0)
      #expect(try await service.logs(container.id, follow: true) == "hello\n")
    }
  }

  @Test(
    "containers outlive a service that is killed; another one lists, logs, executes, waits and stops",
    arguments: Account.available)
  func outlives(account: Account) async throws {
    try await withTestStore(account) { store in
      let first = try await store.service("first")
      _ = try await first.importBusybox(store)
      let cursor = try await first.send(SystemInfo.self, .init()).cursor
      let container = try await first.send(
        ContainerRun.self,
        .init(
          image: "busybox:1", name: "long", command: ["sh", "-c", "echo started; exec sleep 1000"],
          detach: true)
      ).container
      let short = try await first.send(
        ContainerRun.self,
        .init(image: "busybox:1", name: "short", command: ["cat"], opensStdin: true, detach: true)
      ).container
      first.process.kill(SIGKILL)
      #expect(await first.waitForExit() == 128 + SIGKILL)

      let second = try await store.service("second")
      let running = try await second.send(ContainerList.self, .init()).containers
      #expect(Set(running.map(\.id)) == [container.id, short.id])
      #expect(try await second.exec("long", ["echo", "there"]).stdout == "there\n")
      async let waited = second.send(ContainerWait.self, .init(container: "long"))
      let third = try await store.service("third")
      let stopped = try await third.send(ContainerStop.self, .init(container: "long", timeoutMs: 0)).exit
      #expect(stopped.code == 137 && stopped.signal == "SIGKILL" && !stopped.lost)
      #expect(try await waited.exit == stopped)
      #expect(try await second.logs("long") == "started\n")
      for service in [second, third] { #expect(await service.stop() == 0) }

      // The other one ends while no service runs.
      let pid = try #require(short.pid)
      #expect(kill(Int32(pid), SIGKILL) == 0)
      let fourth = try await store.service("fourth")
      let exit = try await fourth.send(ContainerWait.self, .init(container: "short")).exit
      #expect(exit?.code == 137 && exit?.signal == "SIGKILL")
      // Invariant 5: from a cursor, all of it, once and in order.
      _ = try await fourth.send(EventSubscribe.self, .init(after: cursor))
      _ = await fourth.notifications.event("container.exited", subject: short.id)
      let events = fourth.notifications.events
      #expect(
        events.filter { $0.subject == container.id }.map(\.kind) == [
          "container.created", "container.started", "container.exited",
        ])
      #expect(
        events.filter { $0.subject == short.id }.map(\.kind) == [
          "container.created", "container.started", "container.exited",
        ])
      for name in ["long", "short"] {
        _ = try await fourth.send(ContainerRemove.self, .init(container: name))
      }
      _ = await fourth.notifications.event("container.removed", subject: short.id)
      #expect(await fourth.stop() == 0)
    }
  }

  @Test(
    "the template of the shims is made anew when it was killed; containers and their shims do not notice",
    .requires(.root))
  func killedTemplate() async throws {
    try await withBusyboxService(.root) { _, service in
      let long = try await service.send(
        ContainerRun.self, .init(image: "busybox:1", command: ["sleep", "1000"], detach: true)
      ).container
      let children = try await ChildProcess.run([
        "ps", "-o", "pid=,comm=", "--ppid", "\(service.process.pid)",
      ])
      let template = try #require(
        children.text.split(separator: "\n").first { $0.hasSuffix("coracle-shims") })
      let pid = try #require(template.split(separator: " ").first.flatMap { Int32($0) })
      #expect(kill(pid, SIGKILL) == 0)
      #expect(try await service.run(["echo", "again"]).stdout == "again\n")
      _ = try await service.send(ContainerKill.self, .init(container: long.id))
      #expect(try await service.send(ContainerWait.self, .init(container: long.id)).exit?.code == 137)
    }
  }

  @Test("a shim that is killed takes its container along, and that is what is recorded", .requires(.root))
  func shimLost() async throws {
    try await withBusyboxService(.root) { store, service in
      let container = try await service.send(
        ContainerRun.self, .init(image: "busybox:1", command: ["sleep", "1000"], detach: true)
      ).container
      let record = try store.run.appending("containers/\(container.id)/pid").readAll()
      let line = try #require(
        String(decoding: record, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("shim=") })
      let shim = try #require(Int32(line.dropFirst("shim=".count)))
      #expect(kill(shim, SIGKILL) == 0)
      let exit = try await service.send(ContainerWait.self, .init(container: container.id)).exit
      #expect(exit?.lost == true && exit?.code == 137)
      let again = try await service.send(ContainerStart.self, .init(container: container.id)).container
      #expect(again.state == .running)
      _ = try await service.send(ContainerRemove.self, .init(container: container.id, force: true))
    }
  }

  @Test(
    "invariant 6: a cancelled run is answered when its container has stopped", arguments: Account.available)
  func cancel(account: Account) async throws {
    try await withBusyboxService(account) { _, service in
      let task = Task {
        try await service.send(
          ContainerRun.self,
          .init(
            image: "busybox:1", name: "mine",
            command: ["sh", "-c", "trap 'exit 9' TERM; while :; do sleep 0.01; done"]))
      }
      await service.notifications.wait { all in
        all.contains {
          if case .containerRunning(let running) = $0 { running.container.name == "mine" } else { false }
        }
      }
      task.cancel()
      let error = await #expect(throws: RPCError.self) { try await task.value }
      #expect(error?.code == ErrorCode.requestCancelled && error?.data?.kind == .cancelled)
      let container = try #require(
        try await service.send(ContainerList.self, .init(all: true)).containers.first)
      #expect(container.state == .exited)
      let leaving = Task {
        try await service.send(
          ContainerRun.self,
          .init(
            image: "busybox:1", name: "ours", command: ["sleep", "1000"], autoRemove: true, initProcess: true)
        )
      }
      await service.notifications.wait { all in
        all.contains {
          if case .containerRunning(let running) = $0 { running.container.name == "ours" } else { false }
        }
      }
      leaving.cancel()
      await #expect(throws: RPCError.self) { try await leaving.value }
      // Gone by the time of the answer, and not soon after it.
      let left = try await service.send(ContainerList.self, .init(all: true)).containers
      #expect(left.map(\.name) == ["mine"])
    }
  }

  @Test("a command that is over before its input comes has not failed", arguments: Account.available)
  func lateInput(account: Account) async throws {
    try await withBusyboxService(account) { _, service in
      let input = [UInt8](repeating: 1, count: 1 << 20)
      for _ in 0..<20 {
        let run = try await service.run(["sh", "-c", "exit 3"], input: input) { $0.autoRemove = true }
        #expect(run.exit.code == 3)
      }
    }
  }

  @Test(
    "diff and commit: what was added, changed and deleted, and an image that has it",
    arguments: Account.available)
  func commit(account: Account) async throws {
    try await withBusyboxService(account) { _, service in
      let made = try await service.run([
        "sh", "-c", "echo 1 > /new; mkdir /opt; chmod 700 /opt; rm /bin/head; echo x >> /etc/passwd",
      ])
      let changes = try await service.send(ContainerDiff.self, .init(container: made.container.id)).changes
      #expect(
        changes.map { "\($0.kind.rawValue) \($0.path)" } == [
          "modified /bin", "deleted /bin/head", "modified /etc", "modified /etc/passwd", "added /new",
          "added /opt",
        ])
      let image = try await service.send(
        ContainerCommit.self,
        .init(
          container: made.container.id, reference: "made:1", message: "why", author: "who",
          changes: ImageChanges(command: ["cat", "/new"], environment: ["A": "1"]))
      ).image
      #expect(image.layerCount == 2)
      let output = try await service.send(ContainerCreate.self, .init(image: "made:1")).container
      #expect(output.command == ["cat", "/new"])
      #expect(
        try await service.run("made:1", ["sh", "-c", "cat /new; ls /bin/head; echo $A"]).stdout == "1\n1\n")
      let history = try await service.send(ImageHistory.self, .init(image: "made:1")).entries
      #expect(history.first?.comment == "why")
      let inUse = await #expect(throws: RPCError.self) {
        try await service.send(ImageRemove.self, .init(image: "made:1"))
      }
      #expect(inUse?.data?.kind == .inUse)
    }
  }

  @Test("logs: all, the last lines, and followed to the end", arguments: Account.available)
  func logs(account: Account) async throws {
    try await withBusyboxService(account) { _, service in
      let container = try await service.send(
        ContainerRun.self,
        .init(
          image: "busybox:1", command: ["sh", "-c", "echo 1; echo 2; read line; echo $line"],
          opensStdin: true, detach: true)
      ).container
      async let followed = service.logs(container.id, follow: true)
      let sender = service.process.connection.sender()
      async let attached = service.send(
        ContainerAttach.self, .init(container: container.id, stdin: sender.id))
      _ = try await sender.send(Array("3\n".utf8))
      await sender.close()
      #expect(try await followed == "1\n2\n3\n")
      #expect(try await attached.exit.code == 0)
      #expect(try await service.logs(container.id, tail: 1) == "3\n")
      #expect(try await service.logs(container.id) == "1\n2\n3\n")
    }
  }

  @Test(
    "signals and states: kill is exact, start again keeps the files, conflicts are typed",
    arguments: Account.available)
  func life(account: Account) async throws {
    try await withBusyboxService(account) { _, service in
      func kind(_ body: () async throws -> Void) async -> ErrorKind? {
        await #expect(throws: RPCError.self) { try await body() }?.data?.kind
      }
      let created = try await service.send(
        ContainerCreate.self,
        .init(
          image: "busybox:1", name: "one",
          command: ["sh", "-c", "echo x >> /log; wc -l < /log; exec sleep 1000"])
      ).container
      #expect(created.state == .created)
      #expect(
        await kind { _ = try await service.send(ContainerWait.self, .init(container: "one")) } == .conflict)
      #expect(
        await kind {
          _ = try await service.send(
            ContainerCreate.self, .init(image: "busybox:1", name: "one", command: ["true"]))
        } == .alreadyExists)
      #expect(
        await kind { _ = try await service.send(ContainerStart.self, .init(container: "none")) } == .notFound)
      for round in 1...2 {
        _ = try await service.send(ContainerStart.self, .init(container: "one"))
        #expect(
          await kind { _ = try await service.send(ContainerStart.self, .init(container: "one")) } == .conflict
        )
        #expect(
          await kind { _ = try await service.send(ContainerRemove.self, .init(container: "one")) } == .inUse)
        #expect(
          await kind { _ = try await service.send(ContainerWait.self, .init(container: "one", timeoutMs: 1)) }
            == .timedOut)
        #expect(
          await kind {
            _ = try await service.send(ContainerKill.self, .init(container: "one", signal: "NOPE"))
          } == .invalidArgument)
        // By then it has counted its run.
        _ = try await service.send(
          ContainerWait.self,
          .init(container: "one", until: .init(condition: .logMatch, pattern: "\(round)"), timeoutMs: 300_000)
        )
        _ = try await service.send(ContainerKill.self, .init(container: "one"))
        let exit = try await service.send(ContainerWait.self, .init(container: "one")).exit
        #expect(exit?.code == 137 && exit?.signal == "SIGKILL")
        if round == 2 { #expect(try await service.logs("one").contains("2\n")) }
      }
      _ = try await service.send(ContainerRemove.self, .init(container: "one"))
    }
  }
}

@Suite("Containers that go when they exit")
struct AutoRemoveTests {
  @Test(
    "another service's watch does not remove them before their run is answered", arguments: Account.available)
  func twoServices(account: Account) async throws {
    try await withTestStore(account) { store in
      let (runner, other) = (try await store.service("runner"), try await store.service("other"))
      _ = try await runner.importBusybox(store)
      for round in 0..<10 {
        let output = try await runner.run(["sh", "-c", "echo \(round); exit 3"]) { $0.autoRemove = true }
        #expect(output.stdout == "\(round)\n" && output.exit.code == 3)
      }
      let detached = try await runner.send(
        ContainerRun.self,
        .init(image: "busybox:1", command: ["sleep", "0.1"], autoRemove: true, detach: true)
      ).container
      _ = try await other.send(EventSubscribe.self, .init(after: "0-0"))
      runner.process.kill(SIGKILL)
      _ = await other.notifications.event("container.removed", subject: detached.id)
      #expect(try await other.send(ContainerList.self, .init(all: true)).containers.isEmpty)
      #expect(await other.stop() == 0)
    }
  }

  @Test(
    "another service that waits for such a container, or lists meanwhile, sees true states only",
    arguments: Account.available)
  func watchedToTheEnd(account: Account) async throws {
    try await withTestStore(account) { store in
      let (runner, other) = (try await store.service("runner"), try await store.service("other"))
      _ = try await runner.importBusybox(store)
      for round in 1...10 {
        let container = try await runner.send(
          ContainerRun.self,
          .init(
            image: "busybox:1", command: ["sh", "-c", "read line; exit \(round)"], opensStdin: true,
            autoRemove: true, detach: true)
        ).container
        // Nobody says when these have been taken up: one that came too late finds nothing, and nothing else.
        func end(seenBy service: TestService) async throws -> Int? {
          do {
            return try await service.send(ContainerWait.self, .init(container: container.id)).exit?.code
          } catch let error as RPCError {
            guard error.data?.kind == .notFound else { throw error }
            return round
          }
        }
        async let waited = end(seenBy: other)
        async let stopped = end(seenBy: runner)
        let isOver = Mutex(false)
        async let listed: Void = {
          while !isOver.withLock({ $0 }), !Task.isCancelled {
            for listed in try await other.send(ContainerList.self, .init(all: true)).containers {
              #expect(listed.exit == nil || listed.exit?.code == round && listed.exit?.lost == false)
            }
          }
        }()
        let sender = other.process.connection.sender()
        async let attached = other.send(
          ContainerAttach.self, .init(container: container.id, stdin: sender.id))
        _ = try await sender.send(Array("go\n".utf8))
        await sender.close()
        #expect(try await waited == round)
        #expect(try await stopped == round)
        #expect(try await attached.exit.code == round)
        isOver.withLock { $0 = true }
        try await listed
      }
      for service in [runner, other] { #expect(await service.stop() == 0) }
    }
  }
}

@Suite("Names of containers")
struct ContainerNameTests {
  @Test("many that are made at once, by several services, all get one", .requires(.root))
  func manyAtOnce() async throws {
    try await withTestStore(.root) { store in
      let services = [try await store.service("one"), try await store.service("two")]
      _ = try await services[0].importBusybox(store)
      let names = try await withThrowingTaskGroup(of: String.self) { group in
        for index in 0..<120 {
          group.addTask {
            try await services[index % 2].send(
              ContainerCreate.self, .init(image: "busybox:1", command: ["true"])
            ).container.name
          }
        }
        return try await group.reduce(into: Set<String>()) { $0.insert($1) }
      }
      #expect(names.count == 120)
      for service in services { #expect(await service.stop() == 0) }
    }
  }
}
