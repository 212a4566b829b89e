import RPCModel
import TestSupport
import Testing

@Suite("Stopping a container")
struct StopTests {
  /// Starts a shell that has set its traps.
  private func start(
    _ traps: String, _ service: TestService, image: String = "busybox:1",
    _ change: (inout ContainerRun.Params) -> Void = { _ in }
  ) async throws -> String {
    var params = ContainerRun.Params(
      image: image, command: ["sh", "-c", "\(traps); echo ready; while :; do sleep 1000 & wait; done"],
      detach: true)
    change(&params)
    let id = try await service.send(ContainerRun.self, params).container.id
    _ = try await service.send(
      ContainerWait.self, .init(container: id, until: .init(condition: .logMatch, pattern: "ready")))
    return id
  }

  @Test(
    "its stop signal, that of the request, of the container or of the image, and SIGKILL when the time is over",
    arguments: Account.available)
  func signals(account: Account) async throws {
    try await withBusybox(account) { _, service in
      let each = "trap 'exit 7' TERM; trap 'exit 8' INT; trap 'exit 9' USR1"
      func stopped(_ id: String, signal: String? = nil, timeoutMs: Int? = 60_000) async throws -> Int? {
        try await service.send(
          ContainerStop.self, .init(container: id, signal: signal, timeoutMs: timeoutMs)
        ).exit.code
      }
      let plain = try await start(each, service)
      #expect(try await stopped(plain) == 7)
      // It has ended as it has.
      #expect(try await stopped(plain, signal: "SIGUSR1") == 7)
      let asked = try await start(each, service)
      #expect(try await stopped(asked, signal: "USR1") == 9)
      let own = try await start(each, service) { $0.stopSignal = "SIGINT" }
      #expect(try await stopped(own) == 8)
      _ = try await service.send(
        ContainerCommit.self,
        .init(container: own, reference: "int:1", changes: .init(stopSignal: "SIGUSR1")))
      let image = try await start(each, service, image: "int:1")
      #expect(
        try await service.send(ContainerInspect.self, .init(container: image)).stopSignal == "SIGUSR1")
      #expect(try await stopped(image) == 9)

      let deaf = try await start("trap '' TERM", service)
      #expect(try await stopped(deaf, timeoutMs: 50) == 137)
      let deafForItself = try await start("trap '' TERM", service) { $0.stopTimeoutMs = 50 }
      let inspected = try await service.send(ContainerInspect.self, .init(container: deafForItself))
      #expect(inspected.stopTimeoutMs == 50)
      #expect(try await stopped(deafForItself, timeoutMs: nil) == 137)
      #expect(await service.stop() == 0)
    }
  }

  @Test("what an image says of its stop holds where the container says nothing", arguments: Account.available)
  func ofImage(account: Account) async throws {
    try await withTestStore(account) { store in
      try await withFaultyServer { server in
        var image = try await ServedImage(store)
        let plain = String(decoding: image.config, as: UTF8.self)
        image.use(
          config: plain.replacing(
            #""os":"linux""#,
            with: #""os":"linux","config":{"StopSignal":"SIGUSR1","StopTimeout":1}"#))
        image.serve(on: server)
        let service = try await store.service()
        let reference = "\(server.host)/app:1"
        _ = try await service.send(ImagePull.self, .init(reference: reference))
        // It hears the signal, says so, and stays.
        let deaf = try await start("trap 'echo heard' USR1", service, image: reference)
        let inspected = try await service.send(ContainerInspect.self, .init(container: deaf))
        #expect(inspected.stopSignal == "SIGUSR1" && inspected.stopTimeoutMs == 1000)
        let exit = try await service.send(ContainerStop.self, .init(container: deaf)).exit
        #expect(exit.signal == "SIGKILL")
        #expect(try await service.logs(deaf).contains("heard"))
        let own = try await start(":", service, image: reference) { $0.stopTimeoutMs = 70 }
        #expect(try await service.send(ContainerInspect.self, .init(container: own)).stopTimeoutMs == 70)
        _ = try await service.send(ContainerRemove.self, .init(container: own, force: true))
        #expect(await service.stop() == 0)
      }
    }
  }

  @Test("the end of each of many short containers is told once and in order", arguments: Account.available)
  func shortContainers(account: Account) async throws {
    try await withBusybox(account) { store, service in
      let other = try await store.service("other")
      for each in [service, other] {
        _ = try await each.send(EventSubscribe.self, .init(kinds: ["container."]))
      }
      let ids = try await withThrowingTaskGroup(of: [String].self) { group in
        for number in 0..<8 {
          group.addTask {
            var ids: [String] = []
            for _ in 0..<5 {
              let run = try await (number % 2 == 0 ? service : other).send(
                ContainerRun.self, .init(image: "busybox:1", command: ["true"], autoRemove: true))
              ids.append(run.container.id)
            }
            return ids
          }
        }
        return try await group.reduce(into: []) { $0 += $1 }
      }
      let whole = ["container.created", "container.started", "container.exited", "container.removed"]
      for each in [service, other] {
        for id in ids { _ = await each.notifications.event("container.removed", subject: id) }
        let events = each.notifications.events
        for id in ids { #expect(events.filter { $0.subject == id }.map(\.kind) == whole) }
        #expect(events.count == whole.count * ids.count)
      }
      #expect(await other.stop() == 0)
      #expect(await service.stop() == 0)
    }
  }
}
