import RPCModel
import TestSupport
import Testing

@Suite("A first process of the engine's own")
struct InitTests {
  @Test(
    "it is PID 1, reaps orphans, hands signals on and ends as the command does", arguments: Account.available)
  func reaps(account: Account) async throws {
    try await withTestStore(account) { store in
      let service = try await store.service()
      _ = try await service.importBusybox(store)
      let output = try await service.run([
        "sh", "-c",
        // An orphan ends: it is nobody's zombie. `ps` shows the first process's name.
        "(sh -c 'exit 4' & ) ; ps -o pid,stat,comm | sed -n 2p; i=0; while [ $i -lt 6000 ]; do ps -o stat | grep -q Z || exit 7; sleep 0.02; i=$((i+1)); done; exit 8",
      ]) { $0.initProcess = true }
      #expect(output.stdout.contains("coracle-init"), "\(output.stdout)")
      #expect(output.exit.code == 7)
      let signalled = try await service.send(
        ContainerRun.self,
        .init(
          image: "busybox:1",
          command: ["sh", "-c", "trap 'exit 5' USR1; echo ready; while :; do sleep 1; done"],
          initProcess: true, detach: true)
      ).container
      _ = try await service.send(
        ContainerWait.self,
        .init(container: signalled.id, until: .init(condition: .logMatch, pattern: "ready")))
      _ = try await service.send(ContainerKill.self, .init(container: signalled.id, signal: "SIGUSR1"))
      #expect(try await service.send(ContainerWait.self, .init(container: signalled.id)).exit?.code == 5)
      // Without a handler of its own the command ends by the signal, which PID 1 would not.
      let plain = try await service.send(
        ContainerRun.self,
        .init(image: "busybox:1", command: ["sleep", "1000"], initProcess: true, detach: true)
      ).container
      #expect(try await service.send(ContainerStop.self, .init(container: plain.id)).exit.code == 143)
      let missing = await #expect(throws: RPCError.self) {
        try await service.run(["no-such-command"]) { $0.initProcess = true }
      }
      #expect(missing?.data?.kind == .notFound)
      #expect(await service.stop() == 0)
    }
  }
}
