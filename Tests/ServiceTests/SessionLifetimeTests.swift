import Glibc
import RPCModel
import TestSupport
import Testing

@Suite("Containers that go with their session")
struct SessionLifetimeTests {
  @Test("when the session ends, and when its service is killed", arguments: Account.available)
  func goes(account: Account) async throws {
    try await withTestStore(account) { store in
      let watcher = try await store.service("watcher")
      _ = try await watcher.importBusybox(store)
      _ = try await watcher.send(EventSubscribe.self, .init(kinds: ["container."]))
      func make(_ service: TestService) async throws -> [String] {
        let running = try await service.send(
          ContainerRun.self,
          .init(
            image: "busybox:1", command: ["sleep", "1000"], restart: RestartPolicy(kind: .always),
            lifetime: .session,
            detach: true)
        ).container
        let created = try await service.send(
          ContainerCreate.self, .init(image: "busybox:1", command: ["true"], lifetime: .session)
        ).container
        return [running.id, created.id]
      }
      let first = try await store.service("first")
      let firsts = try await make(first)
      #expect(await first.stop() == 0)
      #expect(try await watcher.send(ContainerList.self, .init(all: true)).containers.isEmpty)
      for id in firsts { #expect(await watcher.notifications.event("container.removed", subject: id) != nil) }

      let second = try await store.service("second")
      let seconds = try await make(second)
      second.process.kill(SIGKILL)
      #expect(await second.waitForExit() == 128 + SIGKILL)
      // What runs is killed by its shim and removed by whoever sees that.
      #expect(await watcher.notifications.event("container.exited", subject: seconds[0]) != nil)
      #expect(await watcher.notifications.event("container.removed", subject: seconds[0]) != nil)
      // What never ran goes with the next service's start.
      let third = try await store.service("third")
      #expect(await watcher.notifications.event("container.removed", subject: seconds[1]) != nil)
      for service in [watcher, third] { #expect(await service.stop() == 0) }
    }
  }
}
