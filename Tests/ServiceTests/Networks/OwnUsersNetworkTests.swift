import Glibc
import RPCModel
import TestSupport
import Testing

@Suite("Networks of containers with user ids of their own", .requires(.networks))
struct OwnUsersNetworkTests {
  @Test("root of it may do in its network what root may, ports lead there, and all its lives have it")
  func ownedNetwork() async throws {
    try await NetworkScene.with { scene in
      try await scene.importServer()
      try await scene.start("other")
      let mapped = try await scene.serve("mapped", [.init(containerPort: 80)]) {
        $0.userNamespace = .auto
        $0.addedCapabilities = ["NET_ADMIN"]
        $0.restart = .init(kind: .always)
        $0.initProcess = nil
      }
      let port = try #require(mapped.ports?.first?.hostPort)
      #expect(try await scene.reaches("mapped", "other"))
      #expect(try await scene.reaches("other", "mapped"))
      let changed = try await scene.shell(
        "mapped",
        "busybox ip link set eth0 mtu 1400 && busybox ip link show eth0 | busybox grep -o 'mtu 1400'")
      #expect(changed == "mtu 1400\n")
      #expect(try await scene.fetch(port) == "hello\n")
      kill(Int32(clamping: try #require(mapped.pid)), SIGKILL)
      try await scene.waitForRestart("mapped")
      try await scene.waitForPort("mapped")
      #expect(try await scene.reaches("mapped", "other"))
      #expect(try await scene.fetch(port) == "hello\n")
      // A start by a service makes another one.
      _ = try await scene.service.send(ContainerRestart.self, .init(container: "mapped", timeoutMs: 0))
      try await scene.waitForPort("mapped")
      let again = try #require(try await scene.ports("mapped").first?.hostPort)
      #expect(try await scene.fetch(again) == "hello\n")
      #expect(try await scene.reaches("other", "mapped"))
      let missing = await #expect(throws: (any Error).self) {
        _ = try await scene.service.run(["nothing"]) {
          $0.network = .bridge
          $0.userNamespace = .auto
          $0.autoRemove = true
        }
      }
      #expect((missing as? RPCError)?.data?.kind == .notFound)
    }
  }
}
