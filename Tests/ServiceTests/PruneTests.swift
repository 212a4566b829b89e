import RPCModel
import TestSupport
import Testing

@Suite("Containers in a plan to prune")
struct PruneTests {
  @Test(
    "one that is about to start again is in none, and one that has ended is", arguments: Account.available)
  func restarting(account: Account) async throws {
    try await withBusyboxService(account) { _, service in
      func planned() async throws -> [String?] {
        try await service.send(SystemPrune.self, .init(kinds: [.container])).items.map(\.name)
      }
      _ = try await service.send(
        ContainerRun.self,
        .init(
          image: "busybox:1", name: "again", command: ["false"], restart: .init(kind: .always), detach: true))
      try await waitForPause(of: "again", service)
      let meanwhile = try await planned()
      #expect(meanwhile.isEmpty)
      _ = try await service.send(ContainerStop.self, .init(container: "again", timeoutMs: 0))
      let after = try await planned()
      #expect(after == ["again"])
    }
  }

  @Test("one that is paused is in none", .requires(.root))
  func paused() async throws {
    try await withBusyboxService(.root) { _, service in
      _ = try await service.send(
        ContainerRun.self, .init(image: "busybox:1", name: "still", command: ["sleep", "1000"], detach: true))
      _ = try await service.send(ContainerPause.self, .init(container: "still"))
      let plan = try await service.send(SystemPrune.self, .init(kinds: [.container])).items
      #expect(plan.isEmpty)
      _ = try await service.send(ContainerRemove.self, .init(container: "still", force: true))
    }
  }
}
