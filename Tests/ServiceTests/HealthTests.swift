import Glibc
import RPCModel
import TestSupport
import Testing

@Suite("Health checks")
struct HealthTests {
  @Test(
    "starting, healthy, unhealthy and healthy again, each an event; inspect has the looks",
    arguments: Account.available)
  func changes(account: Account) async throws {
    try await withTestStore(account) { store in
      let service = try await store.service()
      _ = try await service.importBusybox(store)
      _ = try await service.send(EventSubscribe.self, .init(kinds: ["container.healthChanged"]))
      let id = try await service.send(
        ContainerRun.self,
        .init(
          image: "busybox:1", command: ["sleep", "1000"],
          health: HealthCheck(
            test: ["CMD-SHELL", "echo looked; [ -e /well ]"], intervalMs: 20, timeoutMs: 60_000, retries: 2),
          detach: true)
      ).container.id
      func reaches(_ count: Int) async {
        await service.notifications.wait { all in
          all.filter { if case .eventOccurred(let event) = $0 { event.subject == id } else { false } }.count
            >= count
        }
      }
      await reaches(2)
      _ = try await service.exec(id, ["touch", "/well"])
      _ = try await service.send(
        ContainerWait.self, .init(container: id, until: .init(condition: .healthy), timeoutMs: 120_000))
      #expect(try await service.send(ContainerList.self, .init()).containers.first?.health == .healthy)
      _ = try await service.exec(id, ["rm", "/well"])
      await reaches(4)
      let kinds = service.notifications.events.compactMap { $0.attributes["health"] }
      #expect(kinds == [.string("starting"), .string("unhealthy"), .string("healthy"), .string("unhealthy")])
      let checks = try #require(
        try await service.send(ContainerInspect.self, .init(container: id)).healthChecks)
      #expect((1...5).contains(checks.count))
      #expect(checks.last?.output == "looked\n" && checks.last?.exitCode == 1)
      _ = try await service.send(ContainerRemove.self, .init(container: id, force: true))
      #expect(await service.stop() == 0)
    }
  }

  @Test(
    "a look over its time has failed and is killed; another service takes over when the first is gone",
    .requires(.root))
  func timeout() async throws {
    try await withTestStore(.root) { store in
      let first = try await store.service("first")
      _ = try await first.importBusybox(store)
      let id = try await first.send(
        ContainerRun.self,
        .init(
          image: "busybox:1", command: ["sleep", "1000"],
          health: HealthCheck(
            test: ["CMD", "sh", "-c", "[ -e /well ] || sleep 999"], intervalMs: 10, timeoutMs: 2000,
            retries: 1),
          detach: true)
      ).container.id
      let second = try await store.service("second")
      _ = try await second.send(EventSubscribe.self, .init(after: "0-0", kinds: ["container.healthChanged"]))
      await second.notifications.wait { all in
        all.contains {
          if case .eventOccurred(let event) = $0 {
            event.attributes["health"] == .string("unhealthy")
          } else {
            false
          }
        }
      }
      let checks = try await second.send(ContainerInspect.self, .init(container: id)).healthChecks
      #expect(checks?.last?.exitCode == nil)
      first.process.kill(SIGKILL)
      #expect(await first.waitForExit() == 128 + SIGKILL)
      _ = try await second.exec(id, ["touch", "/well"])
      _ = try await second.send(
        ContainerWait.self, .init(container: id, until: .init(condition: .healthy), timeoutMs: 120_000))
      // Nothing of the looks that were over time is left; one that was under way ends a moment after its service.
      try await eventually(describing: "no look that was over time is left") {
        try await second.exec(id, ["ps", "-o", "args"]).stdout.split(separator: "\n")
      } until: {
        !$0.contains("sleep 999")
      }
      _ = try await second.send(ContainerRemove.self, .init(container: id, force: true))
      #expect(await second.stop() == 0)
    }
  }

  @Test("an interval without an end ends no service", .requires(.root))
  func longInterval() async throws {
    try await withBusyboxService(.root) { _, service in
      let most = 9_007_199_254_740
      let id = try await service.send(
        ContainerRun.self,
        .init(
          image: "busybox:1", command: ["sleep", "1000"],
          health: HealthCheck(
            test: ["CMD", "true"], intervalMs: most, timeoutMs: most, startPeriodMs: most, startIntervalMs: 10
          ),
          detach: true)
      ).container.id
      // From now on it waits for its next look.
      _ = try await service.send(
        ContainerWait.self, .init(container: id, until: .init(condition: .healthy), timeoutMs: 120_000))
      _ = try await service.send(SystemPing.self, .init())
      _ = try await service.send(ContainerRemove.self, .init(container: id, force: true))
    }
  }

  @Test("a restarted container is looked at anew, whatever the last look waits for", .requires(.root))
  func restarted() async throws {
    try await withBusyboxService(.root) { _, service in
      let hour = 3_600_000
      let id = try await service.send(
        ContainerRun.self,
        .init(
          image: "busybox:1", command: ["sleep", "1000"],
          health: HealthCheck(
            test: ["CMD", "true"], intervalMs: hour, startPeriodMs: hour, startIntervalMs: 10),
          detach: true)
      ).container.id
      func healthy() async throws {
        _ = try await service.send(
          ContainerWait.self, .init(container: id, until: .init(condition: .healthy), timeoutMs: 120_000))
      }
      try await healthy()
      _ = try await service.send(ContainerRestart.self, .init(container: id, timeoutMs: 0))
      #expect(try await service.send(ContainerInspect.self, .init(container: id)).container.health != nil)
      try await healthy()
      _ = try await service.send(ContainerRemove.self, .init(container: id, force: true))
    }
  }
}
