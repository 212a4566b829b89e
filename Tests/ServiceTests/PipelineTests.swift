import LinuxSystem
import RPCModel
import RPCTransport
import SystemPackage
import TestSupport
import Testing

@testable import Service

/// Requests that are sent one behind the other, without waiting for answers.
@Suite("Requests in a row")
struct PipelineTests {
  private func with(_ body: @Sendable (TestStore, TestService, Pipeline) async throws -> Void) async throws {
    try await withTestStore(try #require(Account.available.first)) { store in
      let service = try await store.service()
      try await body(store, service, Pipeline(connection: service.process.connection))
      #expect(await service.stop() == 0)
    }
  }

  /// Sends requests, and waits for the answer of none.
  struct Pipeline: Sendable {
    let connection: ClientConnection

    func send<Request: RPCRequest>(_ type: Request.Type, _ params: Request.Params, id: String? = nil) {
      connection.channel.send(
        RequestMessage<Request>(id: id.map { .string($0) } ?? connection.newRequestID(), params: params))
    }
  }

  @Test("what is done with a container is done in the order in which it was asked for")
  func containers() async throws {
    try await with { store, service, pipeline in
      _ = try await service.importBusybox(store)
      pipeline.send(
        ContainerCreate.self, .init(image: "busybox:1", name: "a", command: ["sh", "-c", "cat /in; exit 3"]))
      let word = store.directory.appending("in")
      try word.write("put\n".utf8)
      pipeline.send(ContainerCopyTo.self, .init(container: "a", target: "/in", path: word.string))
      pipeline.send(ContainerStart.self, .init(container: "a"))
      #expect(try await service.send(ContainerWait.self, .init(container: "a")).exit?.code == 3)
      #expect(try await service.logs("a") == "put\n")
      pipeline.send(ContainerRename.self, .init(container: "a", name: "b"))
      pipeline.send(ContainerCommit.self, .init(container: "b", reference: "kept:1"))
      #expect(try await service.send(ImageInspect.self, .init(image: "kept:1")).layers.count == 2)
      pipeline.send(ContainerRemove.self, .init(container: "b"))
      #expect(try await service.send(ContainerList.self, .init(all: true)).containers.isEmpty)
    }
  }

  @Test("so are images, and who lists them waits for every change")
  func images() async throws {
    try await with { store, service, pipeline in
      let archive = try await store.busyboxArchive().string
      pipeline.send(ImageImport.self, .init(path: archive, reference: "busybox:1"))
      pipeline.send(ImageTag.self, .init(image: "busybox:1", reference: "busybox:2"))
      let listed = try await service.send(ImageList.self, .init()).images.flatMap(\.references)
      #expect(listed.sorted() == ["docker.io/library/busybox:1", "docker.io/library/busybox:2"])
      pipeline.send(ImageRemove.self, .init(image: "busybox:1"))
      await service.expect(.notFound, of: ImageInspect.self, .init(image: "busybox:1"))
      let saved = store.directory.appending("saved.tar").string
      _ = try await service.send(ImageSave.self, .init(images: ["busybox:2"], path: saved))
      pipeline.send(ImageRemove.self, .init(image: "busybox:2"))
      pipeline.send(ImageLoad.self, .init(path: saved))
      let loaded = try await service.send(ImageInspect.self, .init(image: "busybox:2"))
      #expect(loaded.layers.count == 1)
    }
  }

  @Test("so are volumes: one can be removed behind the container that used it")
  func volumes() async throws {
    try await with { store, service, pipeline in
      _ = try await service.importBusybox(store)
      pipeline.send(VolumeCreate.self, .init(name: "data"))
      pipeline.send(
        ContainerRun.self,
        .init(
          image: "busybox:1", name: "a", command: ["sleep", "1000"],
          mounts: [.init(kind: .volume, target: "/data", source: "data")], detach: true))
      let volume = try await service.send(VolumeInspect.self, .init(volume: "data")).volume
      #expect(volume.containers.count == 1)
      pipeline.send(ContainerRemove.self, .init(container: "a", force: true))
      _ = try await service.send(VolumeRemove.self, .init(volume: "data"))
      #expect(try await service.send(VolumeList.self, .init()).volumes.isEmpty)
    }
  }

  @Test("so are networks, and who is connected to them", .requires(.networks))
  func networks() async throws {
    try await NetworkScene.with { scene in
      let (service, pipeline) = (scene.service, Pipeline(connection: scene.service.process.connection))
      pipeline.send(NetworkCreate.self, .init(name: "back"))
      pipeline.send(
        ContainerCreate.self, .init(image: "busybox:1", name: "a", command: ["true"], network: .bridge))
      pipeline.send(NetworkConnect.self, .init(network: "back", container: "a"))
      #expect(try await service.send(NetworkInspect.self, .init(network: "back")).endpoints.count == 1)
      pipeline.send(NetworkDisconnect.self, .init(network: "back", container: "a"))
      _ = try await service.send(NetworkRemove.self, .init(network: "back"))
      #expect(!(try await service.send(NetworkList.self, .init()).networks.contains { $0.name == "back" }))
    }
  }

  @Test("builds and what looks at all images wait for every change of one")
  func builds() async throws {
    try await with { store, service, pipeline in
      let archive = try await store.busyboxArchive().string
      let context = store.directory.appending("context")
      try makeDirectories(context, mode: 0o755)
      try context.appending("Dockerfile").write("FROM busybox:1\nRUN true\n".utf8)
      pipeline.send(ImageImport.self, .init(path: archive, reference: "busybox:1"))
      let built = try await service.send(
        BuildStart.self, .init(context: context.string, network: "none", references: ["built:1"]))
      #expect(built.steps.count == 2)
      pipeline.send(ImageTag.self, .init(image: "busybox:1", reference: "busybox:2"))
      let usage = try await service.send(SystemDiskUsage.self, .init())
      #expect(
        usage.images.images.flatMap(\.references).contains { $0.hasSuffix("busybox:2") }, "\(usage.images)")
      pipeline.send(ImageTag.self, .init(image: "busybox:1", reference: "busybox:3"))
      #expect(try await service.send(ImageVerify.self, .init()).images >= 1)
    }
  }

  @Test("what is pruned, and what might be, is looked for behind every change")
  func prune() async throws {
    try await with { store, service, pipeline in
      _ = try await service.importBusybox(store)
      pipeline.send(ContainerCreate.self, .init(image: "busybox:1", name: "a", command: ["true"]))
      let plan = try await service.send(SystemPrune.self, .init(kinds: [.container]))
      #expect(plan.items.count == 1, "\(plan)")
      let stats = try await service.send(SystemDiskUsage.self, .init())
      #expect(stats.containers.containers.count == 1)
      pipeline.send(SystemPrune.self, .init(kinds: [.container], apply: plan.items.map(\.id)))
      #expect(try await service.send(ContainerList.self, .init(all: true)).containers.isEmpty)
    }
  }

  @Test("a plan to prune holds up nothing, and one that is carried out everything")
  func pruneEffects() {
    var order = RequestOrder()
    #expect(order.admit(1, .init(.systemPrune(.init()))).isEmpty)
    #expect(order.admit(2, .init(.imageTag(.init(image: "a:1", reference: "b:1")))).isEmpty)
    #expect(order.admit(3, .init(.systemPrune(.init()))) == [2])
    #expect(order.admit(4, .init(.systemPrune(.init(apply: [])))) == [2])
    #expect(order.admit(5, .init(.containerStats(.init()))) == [4])
    #expect(order.admit(6, .init(.networkInspect(.init(network: "n")))) == [4])
    #expect(order.admit(7, .init(.containerStart(.init(container: "c")))) == [4])
    order.settle(4)
    for request in [
      ClientRequest.containerStats(.init()), .networkInspect(.init(network: "n")), .networkList(.init()),
      .systemDiskUsage(.init()),
    ] {
      #expect(order.admit(8, .init(request)).contains(7), "\(request)")
    }
    for request in [
      ClientRequest.imageVerify(.init()), .imageList(.init()), .buildStart(.init()),
      .systemDiskUsage(.init()),
    ] {
      #expect(order.admit(9, .init(request)).contains(2), "\(request)")
    }
  }

  @Test("what is pushed behind a login is pushed with it")
  func credentials() async throws {
    try await with { store, service, pipeline in
      let users = store.directory.appending("htpasswd")
      try users.write(LoginTests.htpasswd.utf8)
      try await withDockerRegistry(DockerRegistry.Settings(htpasswd: users)) { registry in
        _ = try await service.importBusybox(store)
        let name = "\(registry.host)/demo/app:1"
        pipeline.send(RegistryLogin.self, .init(registry: registry.host, user: "ali", password: "sesame"))
        _ = try await service.send(ImagePush.self, .init(image: "busybox:1", destination: name))
        pipeline.send(RegistryLogout.self, .init(registry: registry.host))
        await service.expect(.unauthorized, of: ImagePull.self, .init(reference: name))
      }
    }
  }

  @Test("a request with the id of one that is under way is refused, and that one goes on")
  func ids() async throws {
    try await with { store, service, pipeline in
      _ = try await service.importBusybox(store)
      _ = try await service.send(
        ContainerRun.self,
        .init(image: "busybox:1", name: "a", command: ["sleep", "1000"], initProcess: true, detach: true))
      pipeline.send(ContainerWait.self, .init(container: "a"), id: "same")
      do {
        _ = try await service.process.connection.send(SystemPing.self, .init(), id: .string("same"))
        Issue.record("two requests had one id")
      } catch let error as RPCError {
        #expect(error.code == ErrorCode.invalidRequest)
      }
      #expect(try await service.send(ContainerList.self, .init()).containers.count == 1)
      _ = try await service.send(ContainerRemove.self, .init(container: "a", force: true))
    }
  }

  @Test("the id of a request is free as soon as its answer is there")
  func idsAgain() async throws {
    try await with { _, service, _ in
      // What the service says of an answer after it leaves the time in which the next request comes.
      service.process.connection.notifyService(SetTraceNotification(value: .verbose))
      for _ in 0..<5000 {
        _ = try await service.process.connection.send(SystemPing.self, .init(), id: .string("same"))
      }
    }
  }

  @Test("a stream's data is numbered from 0, its end is behind it, and the answer is behind that")
  func streams() async throws {
    try await withTestStore(try #require(Account.available.first)) { store in
      let service = try await store.service()
      _ = try await service.importBusybox(store)
      #expect(await service.stop() == 0)
      let client = try await FrozenClient(store)
      try client.send(
        #"{"jsonrpc":"2.0","id":2,"method":"container/run","params":{"image":"busybox:1","command":["sh","-c","for i in 1 2 3 4 5; do echo $i; echo $i >&2; done"],"streams":{"stdout":"out","stderr":"err"}}}"#
      )
      nonisolated(unsafe) var told: [String] = []  // Written before `read` returns, read after.
      try await client.read(until: 2) { message in
        let params = message["params"] as? [String: Any] ?? [:]
        guard let stream = params["stream"] as? String ?? (message["id"] as? Int).map({ "answer \($0)" })
        else { return }
        let number = (params["seq"] as? Int).map { " \($0)" } ?? ""
        told.append("\((message["method"] as? String).map { "\($0) " } ?? "")\(stream)\(number)")
      }
      for stream in ["out", "err"] {
        let own = told.filter { $0.contains(" \(stream)") }
        let data = own.dropLast()
        #expect(data.elementsEqual(data.indices.map { "stream/data \(stream) \($0)" }), "\(told)")
        #expect(!data.isEmpty && own.last == "stream/closed \(stream)", "\(told)")
      }
      #expect(told.last == "answer 2", "\(told)")
      try await client.end()
    }
  }
}
