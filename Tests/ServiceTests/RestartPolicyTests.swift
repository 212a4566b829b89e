import Foundation
import Glibc
import RPCModel
import SystemPackage
import TestSupport
import Testing

@Suite("Restart policies")
struct RestartPolicyTests {
  private func withBusybox(
    _ account: Account, _ body: @Sendable (TestStore, TestService) async throws -> Void
  ) async throws {
    try await withTestStore(account) { store in
      let service = try await store.service()
      _ = try await service.importBusybox(store)
      _ = try await service.send(EventSubscribe.self, .init(kinds: ["container."]))
      try await body(store, service)
      #expect(await service.stop() == 0)
    }
  }

  /// Counts its runs in its writable layer.
  private let counting = "echo run >> /runs; wc -l < /runs"

  private func shim(_ store: TestStore, _ id: String) throws -> Int32 {
    let record = try store.run.appending("containers/\(id)/pid").readAll()
    let line = try #require(
      String(decoding: record, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("shim=") })
    return try #require(Int32(line.dropFirst("shim=".count)))
  }

  @Test(
    "on-failure: so many times, each end and start an event, in order, with the numbers",
    arguments: Account.available)
  func onFailure(account: Account) async throws {
    try await withBusybox(account) { _, service in
      let answer = try await service.send(
        ContainerRun.self,
        .init(
          image: "busybox:1", command: ["sh", "-c", "\(counting); exit 3"],
          restart: RestartPolicy(kind: .onFailure, maximumRetries: 2)))
      #expect(answer.exit?.code == 3)
      #expect(answer.container.state == .exited && answer.container.restartCount == 2)
      #expect(try await service.logs(answer.container.id) == "1\n2\n3\n")
      // The last ones may come behind the answer.
      await service.notifications.wait { all in
        all.count {
          if case .eventOccurred(let event) = $0 { event.subject == answer.container.id } else { false }
        } >= 7
      }
      let events = service.notifications.events.filter { $0.subject == answer.container.id }
      #expect(
        events.map(\.kind) == [
          "container.created", "container.started", "container.exited", "container.started",
          "container.exited", "container.started", "container.exited",
        ])
      #expect(
        events.map { $0.attributes["restartsAt"] != nil } == [false, false, true, false, true, false, false])
      #expect(events.compactMap { $0.attributes["restarts"] } == [.integer(1), .integer(2)])
      // The pause doubles from a tenth of a second on: by what the shim has written, whatever it took.
      let pauses = events.compactMap { event -> Int64? in
        guard let due = nanoseconds(event.attributes["restartsAt"]),
          let end = nanoseconds(event.attributes["exitedAt"])
        else { return nil }
        return due - end
      }
      #expect(pauses == [100_000_000, 200_000_000])
      // One that ends well stays as it is.
      let good = try await service.send(
        ContainerRun.self,
        .init(image: "busybox:1", command: ["true"], restart: RestartPolicy(kind: .onFailure)))
      #expect(good.exit?.code == 0 && good.container.restartCount == 0)
    }
  }

  /// Since 1970, of a time as events have it.
  private func nanoseconds(_ value: EventValue?) -> Int64? {
    guard case .string(let text) = value else { return nil }
    let parts = text.dropLast().split(separator: ".")
    guard parts.count == 2, parts[1].count == 9, let fraction = Int64(parts[1]),
      let seconds = try? Date("\(parts[0])Z", strategy: .iso8601).timeIntervalSince1970
    else { return nil }
    return Int64(seconds) * 1_000_000_000 + fraction
  }

  @Test(
    "they hold when no service runs, and the next one journals all of it; stop ends them",
    arguments: Account.available)
  func withoutService(account: Account) async throws {
    try await withTestStore(account) { store in
      let first = try await store.service("first")
      _ = try await first.importBusybox(store)
      let cursor = try await first.send(SystemInfo.self, .init()).cursor
      let id = try await first.send(
        ContainerRun.self,
        .init(
          image: "busybox:1", name: "loop",
          // The first run waits until no service is there.
          command: [
            "sh", "-c", "\(counting); [ $(wc -l < /runs) -gt 3 ] && exec sleep 1000; read go; exit 1",
          ],
          opensStdin: true, restart: RestartPolicy(kind: .always), detach: true)
      ).container.id
      first.process.kill(SIGKILL)
      #expect(await first.waitForExit() == 128 + SIGKILL)
      // The container ends now and twice more, by /proc: nobody else is there to end it.
      let lives = store.run.appending("containers/\(id)/lives")
      for run in 1...3 {
        let pid = try await waitForPid(store, id, after: run)
        kill(pid, SIGKILL)
      }
      let second = try await store.service("second")
      _ = try await second.send(EventSubscribe.self, .init(after: cursor, kinds: ["container."]))
      _ = try await second.send(
        ContainerWait.self,
        .init(container: id, until: .init(condition: .logMatch, pattern: "4"), timeoutMs: 120_000))
      await second.notifications.wait { all in
        all.filter {
          if case .eventOccurred(let event) = $0 { event.kind == "container.started" } else { false }
        }
        .count == 4
      }
      let listed = try #require(try await second.send(ContainerList.self, .init()).containers.first)
      #expect(listed.state == .running && listed.restartCount == 3)
      #expect(try !lives.readAll().isEmpty)
      #expect(try await second.send(ContainerStop.self, .init(container: id, timeoutMs: 0)).exit.code == 137)
      await second.notifications.wait { all in
        all.filter { if case .eventOccurred = $0 { true } else { false } }.count == 9
      }
      #expect(
        second.notifications.events.map(\.kind) == ["container.created"]
          + Array(repeating: ["container.started", "container.exited"], count: 4).flatMap(\.self))
      #expect(try await second.send(ContainerInspect.self, .init(container: id)).container.state == .exited)
      #expect(await second.stop() == 0)
    }
  }

  /// The first process of a container's run that has been counted, with its pid file alone to go by.
  private func waitForPid(_ store: TestStore, _ id: String, after run: Int) async throws -> Int32 {
    let directory = store.run.appending("containers/\(id)")
    let runs = store.store.appending("containers/\(id)/upper/runs")
    let found: Int32?? = try await eventually(describing: "\(id) runs for the \(run). time") { () -> Int32? in
      let starts = (try? directory.appending("lives").readAll()).map {
        String(decoding: $0, as: UTF8.self).split(separator: "\n").filter { $0.hasPrefix("started") }.count
      }
      let counted = ((try? runs.readAll()) ?? []).count { $0 == UInt8(ascii: "\n") }
      if run == 1 || starts == run - 1, counted == run,
        let record = try? directory.appending("pid").readAll(),
        let line = String(decoding: record, as: UTF8.self).split(separator: "\n").first(where: {
          $0.hasPrefix("init=")
        }), let pid = Int32(line.dropFirst("init=".count))
      {
        return pid
      }
      return nil
    } until: {
      $0 != nil
    }
    return try #require(found ?? nil)
  }

  @Test("stop ends a container in the pause before its next start, at once", arguments: Account.available)
  func stopInPause(account: Account) async throws {
    try await withBusybox(account) { _, service in
      let id = try await service.send(
        ContainerRun.self,
        .init(image: "busybox:1", command: ["false"], restart: RestartPolicy(kind: .always), detach: true)
      ).container.id
      // After some ends the pause is long enough to be met.
      await service.notifications.wait { all in
        all.filter {
          if case .eventOccurred(let event) = $0 {
            event.kind == "container.exited" && event.subject == id
          } else {
            false
          }
        }.count >= 6
      }
      // There is no process that would get another signal than one that is to end it, and none to measure.
      let asking: [@Sendable () async throws -> Void] = [
        { _ = try await service.send(ContainerKill.self, .init(container: id, signal: "USR1")) },
        { _ = try await service.send(ContainerStats.self, .init(containers: [id])) },
      ]
      for ask in asking {
        // What comes late meets the next run, and succeeds.
        let refused = try await eventually(describing: "it is refused") { () -> RPCError? in
          do { try await ask() } catch let error as RPCError { return error }
          return nil
        } until: {
          $0 != nil
        }
        #expect(refused?.data?.kind == .conflict && refused?.data?.hint == "try again, or stop it")
      }
      let exit = try await service.send(ContainerStop.self, .init(container: id)).exit
      #expect(exit.code == 1)
      let after = try await service.send(ContainerInspect.self, .init(container: id)).container
      #expect(after.state == .exited && after.restartCount >= 2)
      // It can be started again, and its policy with it.
      _ = try await service.send(ContainerStart.self, .init(container: id))
      _ = try await service.send(ContainerRemove.self, .init(container: id, force: true))
    }
  }

  @Test("a killed shim takes its container along, and the policy starts it again", .requires(.root))
  func shimLost() async throws {
    try await withBusybox(.root) { store, service in
      let id = try await service.send(
        ContainerRun.self,
        .init(
          image: "busybox:1", command: ["sleep", "1000"], restart: RestartPolicy(kind: .unlessStopped),
          detach: true)
      ).container.id
      let lost = try shim(store, id)
      kill(lost, SIGKILL)
      await service.notifications.wait { all in
        all.filter {
          if case .eventOccurred(let event) = $0 { event.kind == "container.started" } else { false }
        }
        .count == 2
      }
      #expect(try shim(store, id) != lost)
      _ = try await service.send(ContainerStop.self, .init(container: id, timeoutMs: 0))
      #expect(try await service.send(ContainerInspect.self, .init(container: id)).container.state == .exited)
    }
  }

  @Test("one that goes when it exits does not start again as well", arguments: Account.available)
  func notWithAutoRemove(account: Account) async throws {
    try await withBusybox(account) { _, service in
      for kind in [RestartKind.always, .onFailure, .unlessStopped] {
        let error = await #expect(throws: RPCError.self) {
          try await service.send(
            ContainerRun.self,
            .init(
              image: "busybox:1", command: ["true"], autoRemove: true, restart: RestartPolicy(kind: kind),
              detach: true))
        }
        #expect(error?.data?.kind == .invalidArgument && error?.data?.subject == "restart")
      }
      let made = try await service.send(
        ContainerCreate.self,
        .init(
          image: "busybox:1", command: ["true"], autoRemove: true, restart: RestartPolicy(kind: .never)))
      let error = await #expect(throws: RPCError.self) {
        try await service.send(
          ContainerUpdate.self,
          .init(container: made.container.id, restart: RestartPolicy(kind: .always)))
      }
      #expect(error?.data?.kind == .conflict)
      _ = try await service.send(ContainerRemove.self, .init(container: made.container.id))
      #expect(try await service.send(ContainerList.self, .init(all: true)).containers == [])
    }
  }

  @Test("restart and rename", arguments: Account.available)
  func restartAndRename(account: Account) async throws {
    try await withBusybox(account) { _, service in
      let made = try await service.send(
        ContainerRun.self, .init(image: "busybox:1", name: "one", command: ["sleep", "1000"], detach: true)
      ).container
      let again = try await service.send(ContainerRestart.self, .init(container: "one", timeoutMs: 0))
        .container
      #expect(
        again.id == made.id && again.pid != made.pid && again.state == .running && again.restartCount == 0)
      _ = try await service.send(ContainerRename.self, .init(container: "one", name: "two"))
      #expect(try await service.send(ContainerList.self, .init()).containers.map(\.name) == ["two"])
      let renamed = await service.notifications.event("container.renamed")
      #expect(
        renamed?.attributes["previousName"] == .string("one") && renamed?.attributes["name"] == .string("two")
      )
      _ = try await service.send(
        ContainerCreate.self, .init(image: "busybox:1", name: "three", command: ["true"]))
      for (name, kind) in [("three", ErrorKind.alreadyExists), ("no name", .invalidArgument)] {
        let error = await #expect(throws: RPCError.self) {
          try await service.send(ContainerRename.self, .init(container: "two", name: name))
        }
        #expect(error?.data?.kind == kind)
      }
      _ = try await service.send(ContainerRemove.self, .init(container: "two", force: true))
    }
  }

  @Test(
    "a start that fails counts as an end, is told of with the shell's code, and leaves nothing in the shim",
    .requires(.root))
  func failingRestarts() async throws {
    try await withBusybox(.root) { store, service in
      let id = try await service.send(
        ContainerRun.self,
        .init(
          image: "busybox:1",
          command: [
            "sh", "-c", "trap 'rm /bin/sh; exit 3' USR1; echo ready; while :; do sleep 0.05; done",
          ], tty: true,
          restart: RestartPolicy(kind: .onFailure, maximumRetries: 5), detach: true)
      ).container.id
      func exits(_ count: Int) async {
        await service.notifications.wait { all in
          all.filter {
            if case .eventOccurred(let event) = $0 { event.kind == "container.exited" } else { false }
          }.count >= count
        }
      }
      _ = try await service.send(
        ContainerWait.self, .init(container: id, until: .init(condition: .logMatch, pattern: "ready")))
      let process = try shim(store, id)
      _ = try await service.send(ContainerKill.self, .init(container: id, signal: "USR1"))
      /// Nil where it has given up and is gone with all that it held, as it may be for who looks late.
      func held() -> Int? {
        try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/fd").count
      }
      await exits(3)
      let before = held()
      await exits(5)
      // What a start takes meanwhile it gives back, and what it has lost stays lost.
      try await eventually(describing: "the shim holds no more than before") {
        held()
      } until: { now in
        guard let now, let before else { return true }
        return now <= before
      }
      await exits(6)
      let codes = service.notifications.events.filter { $0.kind == "container.exited" }
      #expect(
        codes.map { $0.attributes["exitCode"] } == [.integer(3)] + Array(repeating: .integer(127), count: 5))
      #expect(codes.map { $0.attributes["restartsAt"] != nil } == Array(repeating: true, count: 5) + [false])
      let ended = try await service.send(ContainerInspect.self, .init(container: id)).container
      #expect(ended.state == .exited && ended.restartCount == 0)
    }
  }

  @Test("one that cannot start again yet is started when what it joins is there", .requires(.root))
  func joined() async throws {
    try await withBusybox(.root) { store, service in
      let sleep = ["sleep", "1000"]
      _ = try await service.send(
        ContainerRun.self, .init(image: "busybox:1", name: "a", command: sleep, detach: true))
      var joining = ContainerRun.Params(
        image: "busybox:1", name: "b", command: sleep, restart: RestartPolicy(kind: .always), detach: true)
      joining.network = .container
      joining.networkContainer = "a"
      let id = try await service.send(ContainerRun.self, joining).container.id
      _ = try await service.send(ContainerStop.self, .init(container: "a", timeoutMs: 0))
      kill(try shim(store, id), SIGKILL)
      _ = await service.notifications.event("container.exited", subject: id)
      _ = try await service.send(ContainerStart.self, .init(container: "a"))
      await service.notifications.wait { all in
        all.filter {
          if case .eventOccurred(let event) = $0 {
            event.kind == "container.started" && event.subject == id
          } else {
            false
          }
        }.count == 2
      }
      for name in ["b", "a"] {
        _ = try await service.send(ContainerRemove.self, .init(container: name, force: true))
      }
    }
  }

  /// Waits until a container has been started so many times.
  private func starts(_ service: TestService, _ id: String, _ count: Int) async {
    await service.notifications.wait { all in
      all.filter {
        if case .eventOccurred(let event) = $0 {
          event.kind == "container.started" && event.subject == id
        } else {
          false
        }
      }.count >= count
    }
  }

  @Test("one whose disk is not there yet is started when it is", .requires(.root))
  func absentDisk() async throws {
    try await withBusybox(.root) { store, service in
      let disk = store.directory.appending("disk")
      try FileManager.default.createDirectory(atPath: disk.string, withIntermediateDirectories: false)
      let id = try await service.send(
        ContainerRun.self,
        .init(
          image: "busybox:1", name: "needs", command: ["sleep", "1000"],
          restart: RestartPolicy(kind: .unlessStopped),
          mounts: [Mount(kind: .bind, target: "/disk", source: disk.string)], detach: true)
      ).container.id
      try FileManager.default.removeItem(atPath: disk.string)
      kill(try shim(store, id), SIGKILL)
      _ = await service.notifications.event("container.exited", subject: id)
      // A new start, which fails, begins with what is left of the last one.
      let exit = store.run.appending("containers/\(id)/exit")
      try await eventually(describing: "a new start has begun") {
        FileManager.default.fileExists(atPath: exit.string)
      } until: {
        !$0
      }
      try FileManager.default.createDirectory(atPath: disk.string, withIntermediateDirectories: false)
      await starts(service, id, 2)
      _ = try await service.send(ContainerRemove.self, .init(container: id, force: true))
    }
  }

  @Test(
    "after a start of the machine: always and unless-stopped and on-failure begin again, but what was stopped only with always",
    arguments: Account.available)
  func afterBoot(account: Account) async throws {
    try await withTestStore(account) { store in
      let first = try await store.service("first")
      _ = try await first.importBusybox(store)
      let kinds: [(name: String, kind: RestartKind, isStopped: Bool)] = [
        ("never", .never, false), ("failing", .onFailure, false), ("always", .always, false),
        ("unless", .unlessStopped, false), ("always-stopped", .always, true),
        ("unless-stopped", .unlessStopped, true), ("failing-stopped", .onFailure, true),
      ]
      var ids: [String: String] = [:]
      for one in kinds {
        ids[one.name] =
          try await first.send(
            ContainerRun.self,
            .init(
              image: "busybox:1", name: one.name, command: ["sleep", "1000"], network: NetworkMode.none,
              restart: RestartPolicy(kind: one.kind), detach: true)
          ).container.id
        if one.isStopped {
          _ = try await first.send(ContainerStop.self, .init(container: one.name, timeoutMs: 0))
        }
      }
      // Another service of the same boot lets the stopped ones be, whatever the clock says.
      let second = try await store.service("second")
      #expect(try await second.send(ContainerList.self, .init()).containers.count == 4)
      let cursor = try await second.send(SystemInfo.self, .init()).cursor
      for service in [first, second] {
        service.process.kill(SIGKILL)
        _ = await service.waitForExit()
      }
      // All ends at once, and what lies in memory is gone.
      for one in kinds where !one.isStopped { kill(try shim(store, try #require(ids[one.name])), SIGKILL) }
      try await eventually(describing: "the containers' processes are gone") {
        try kinds.filter { !$0.isStopped }.contains { one in
          let path = store.run.appending("containers/\(try #require(ids[one.name]))/lock")
          return try isLocked(path)
        }
      } until: {
        !$0
      }
      for name in try FileManager.default.contentsOfDirectory(atPath: store.run.string) {
        try FileManager.default.removeItem(atPath: store.run.appending(name).string)
      }
      let third = try await store.service("third")
      _ = try await third.send(EventSubscribe.self, .init(after: cursor, kinds: ["container."]))
      for name in ["failing", "always", "unless", "always-stopped"] {
        await starts(third, try #require(ids[name]), 1)
      }
      for name in ["never", "failing", "always", "unless"] {
        let id = try #require(ids[name])
        let end = await third.notifications.event("container.exited", subject: id)
        #expect(end?.attributes["lost"] == .boolean(true), "\(name)")
      }
      let running = try await third.send(ContainerList.self, .init()).containers.map(\.name).sorted()
      #expect(running == ["always", "always-stopped", "failing", "unless"])
      for one in kinds {
        _ = try await third.send(ContainerRemove.self, .init(container: one.name, force: true))
      }
      #expect(await third.stop() == 0)
    }
  }

  /// Whether a shim lives that has it.
  private func isLocked(_ path: FilePath) throws -> Bool {
    let file = try FileDescriptor.open(path, .readWrite)
    defer { try? file.close() }
    var lock = flock()
    lock.l_type = Int16(F_WRLCK)
    guard fcntl(file.rawValue, F_GETLK, &lock) == 0 else { return false }
    return lock.l_type != Int16(F_UNLCK)
  }
}
