import RPCModel
import TestSupport
import Testing

@Suite("What container/wait waits for")
struct WaitConditionTests {
  @Test("a line of output, an open port, a start", arguments: Account.available)
  func conditions(account: Account) async throws {
    try await withTestStore(account) { store in
      let service = try await store.service()
      _ = try await service.send(
        ImageImport.self,
        .init(path: try await store.busyboxArchive("ln -s busybox bin/nc").string, reference: "busybox:1"))
      let made = try await service.send(
        ContainerCreate.self,
        .init(
          image: "busybox:1",
          command: ["sh", "-c", "printf 'not re'; printf 'ady\\nwe are ready now\\n'; exec nc -l -p 8080"])
      ).container
      // They wait for the start as well.
      for condition in [WaitKind.running, .logMatch, .portOpen] {
        let early = await #expect(throws: RPCError.self) {
          try await service.send(
            ContainerWait.self,
            .init(
              container: made.id, until: .init(condition: condition, port: 8080, pattern: "ready"),
              timeoutMs: 20))
        }
        #expect(early?.data?.kind == .timedOut, "\(condition)")
      }
      async let said = service.send(
        ContainerWait.self,
        .init(container: made.id, until: .init(condition: .logMatch, pattern: "ready now"), timeoutMs: 60_000)
      )
      async let running = service.send(
        ContainerWait.self, .init(container: made.id, until: .init(condition: .running), timeoutMs: 120_000))
      _ = try await service.send(ContainerStart.self, .init(container: made.id))
      _ = try await running
      #expect(try await said.line == "we are ready now")
      let line = try await service.send(
        ContainerWait.self,
        .init(
          container: made.id, until: .init(condition: .logMatch, pattern: "are ready"), timeoutMs: 120_000)
      ).line
      #expect(line == "we are ready now")
      let pieces = try await service.send(
        ContainerWait.self,
        .init(container: made.id, until: .init(condition: .logMatch, pattern: "ready"), timeoutMs: 120_000)
      ).line
      #expect(pieces == "not ready")
      _ = try await service.send(
        ContainerWait.self,
        .init(container: made.id, until: .init(condition: .portOpen, port: 8080), timeoutMs: 120_000))
      let late = await #expect(throws: RPCError.self) {
        try await service.send(
          ContainerWait.self,
          .init(container: made.id, until: .init(condition: .portOpen, port: 8081), timeoutMs: 20))
      }
      #expect(late?.data?.kind == .timedOut)
      let never = Task {
        try await service.send(
          ContainerWait.self,
          .init(container: made.id, until: .init(condition: .logMatch, pattern: "nothing of that")))
      }
      _ = try await service.send(ContainerKill.self, .init(container: made.id))
      let ended = await #expect(throws: RPCError.self) { try await never.value }
      #expect(ended?.data?.kind == .conflict)
      for until in [
        WaitCondition(condition: .logMatch), .init(condition: .portOpen), .init(condition: .healthy),
      ] {
        let error = await #expect(throws: RPCError.self) {
          try await service.send(ContainerWait.self, .init(container: made.id, until: until))
        }
        #expect(error?.data?.kind == .invalidArgument)
      }
      #expect(await service.stop() == 0)
    }
  }
}
