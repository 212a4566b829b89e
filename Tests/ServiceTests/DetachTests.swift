import RPCModel
import TestSupport
import Testing

@Suite("container/detach")
struct DetachTests {
  /// A request of this session's that goes on, its output, and its answer.
  private func begin<Request: RPCRequest>(
    _ service: TestService, _ type: Request.Type, _ params: (OutputStreams) -> Request.Params
  ) -> (id: RequestID, output: Task<String, Never>, answer: Task<Request.Result, any Error>) {
    let out = service.process.connection.receiver(credit: 1 << 20)
    let (id, params) = (service.process.connection.newRequestID(), params(OutputStreams(stdout: out.id)))
    return (
      id, Task { await out.text() },
      Task { try await service.process.connection.send(type, params, id: id) }
    )
  }

  @Test(
    "a run answers at once without an exit, its streams end, and its container goes on",
    arguments: Account.available)
  func run(account: Account) async throws {
    try await withTestStore(account) { store in
      let service = try await store.service()
      _ = try await service.importBusybox(store)
      let run = begin(service, ContainerRun.self) {
        ContainerRun.Params(
          image: "busybox:1", name: "c",
          command: ["sh", "-c", "echo one; trap 'echo two; exit 3' USR1; while :; do sleep 0.05; done"],
          autoRemove: true, streams: $0)
      }
      _ = try await service.waitForLine("one", of: "c")
      _ = try await service.send(ContainerDetach.self, .init(request: run.id))
      let answer = try await run.answer.value
      #expect(answer.exit == nil && answer.container.name == "c" && answer.container.state == .running)
      #expect(await run.output.value == "one\n")
      // It is another service's to wait for, and goes with its end as it was to.
      #expect(await service.stop() == 0)
      let other = try await store.service("other")
      _ = try await other.send(EventSubscribe.self, .init(kinds: ["container."]))
      _ = try await other.send(ContainerKill.self, .init(container: "c", signal: "SIGUSR1"))
      _ = await other.notifications.event("container.removed")
      let ended = await other.notifications.event("container.exited")
      #expect(ended?.attributes["exitCode"] == .integer(3), "\(ended as Any)")
      #expect(await other.stop() == 0)
    }
  }

  @Test(
    "a command goes on with nobody at its streams, also when its service ends; with pipes and with a terminal",
    arguments: Account.available)
  func exec(account: Account) async throws {
    try await withBusyboxService(account) { store, service in
      let keeper = try await store.service("keeper")
      _ = try await keeper.send(
        ContainerRun.self, .init(image: "busybox:1", name: "c", command: ["sleep", "1000"], detach: true))
      for tty in [false, true] {
        let second = try await store.service("second")
        // More than any pipe or terminal holds, from the moment on that nobody reads it.
        let script =
          "trap 'echo hung up > /how' HUP; echo ready; until [ -e /go ]; do sleep 0.02; done; head -c 1000000 /dev/zero | cat; echo done > /how; exec sleep 1000"
        let exec = begin(second, ContainerExec.self) {
          ContainerExec.Params(
            container: "c", command: ["sh", "-c", script], streams: $0,
            stdin: second.process.connection.sender().id, tty: tty)
        }
        let early = await #expect(throws: RPCError.self) {
          try await second.send(ContainerDetach.self, .init(request: .integer(9999)))
        }
        #expect(early?.data?.kind == .notFound)
        _ = try await keeper.exec(
          "c", ["sh", "-c", "until ps -o args | grep -q '[r]eady'; do sleep 0.02; done"])
        try await second.detach(exec.id)
        #expect(try await exec.answer.value.exit == nil)
        #expect(["", "ready\n", "ready\r\n"].contains(await exec.output.value))
        #expect(await second.stop() == 0)
        let how = try await keeper.exec(
          "c", ["sh", "-c", "touch /go; until [ -s /how ]; do sleep 0.02; done; cat /how; rm /go /how"])
        #expect(how.stdout == "done\n")
        try await eventually(describing: "what was left sleeps") {
          try await keeper.exec("c", ["ps", "-o", "args"]).stdout
        } until: {
          $0.components(separatedBy: "sleep 1000").count == (tty ? 4 : 3)
        }
      }
      // It ends with its container.
      _ = try await keeper.send(ContainerRemove.self, .init(container: "c", force: true))
      #expect(await keeper.stop() == 0)
    }
  }

  @Test("what is neither a run nor an exec, or is not that far, is not left", arguments: Account.available)
  func refused(account: Account) async throws {
    try await withBusyboxService(account) { _, service in
      _ = try await service.send(
        ContainerRun.self, .init(image: "busybox:1", name: "c", command: ["sleep", "1000"], detach: true))
      let attach = begin(service, ContainerAttach.self) {
        ContainerAttach.Params(container: "c", streams: $0)
      }
      // Its output may be asked for a moment later than this.
      let kind = try await eventually(describing: "the request to attach is known") { () -> ErrorKind? in
        let error = await #expect(throws: RPCError.self) {
          try await service.send(ContainerDetach.self, .init(request: attach.id))
        }
        return error?.data?.kind
      } until: {
        $0 != .notFound
      }
      #expect(kind == .conflict)
      _ = try await service.send(ContainerRemove.self, .init(container: "c", force: true))
      #expect(try await attach.answer.value.exit.signal == "SIGKILL")
    }
  }
}

extension TestService {
  fileprivate func waitForLine(_ text: String, of container: String) async throws -> String? {
    // The request that makes it is under way.
    try await eventually(describing: "\(container) is there") {
      try await send(ContainerList.self, .init(all: true)).containers.contains { $0.name == container }
    }
    return try await send(
      ContainerWait.self,
      .init(container: container, until: .init(condition: .logMatch, pattern: text), timeoutMs: 120_000)
    ).line
  }

  /// Leaves a request as soon as there is something to be left.
  fileprivate func detach(_ request: RequestID) async throws {
    try await eventually(describing: "the request can be left") {
      do {
        _ = try await send(ContainerDetach.self, .init(request: request))
        return true
      } catch let error as RPCError where error.data?.kind == .conflict {
        return false
      }
    }
  }
}
