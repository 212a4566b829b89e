import LinuxSystem
import OCIModel
import RPCModel
import SystemPackage
import TestSupport
import Testing

@Suite("Images, from end to end")
struct ImageLifeTests {
  @Test("import, tag, history, inspect, remove", arguments: Account.available)
  func life(account: Account) async throws {
    try await withTestStore(account) { store in
      let service = try await store.service()
      let image = try await service.importBusybox(store)
      #expect(image.references == ["docker.io/library/busybox:1"])
      #expect(image.layerCount == 1)
      let tagged = try await service.send(ImageTag.self, .init(image: "busybox:1", reference: "other:2"))
        .image
      #expect(tagged.digest == image.digest && tagged.references.count == 2)
      let history = try await service.send(ImageHistory.self, .init(image: "other:2")).entries
      #expect(history.count == 1 && history[0].layer != nil)
      let details = try await service.send(
        ImageInspect.self, .init(image: String(image.digest.dropFirst(7).prefix(12))))
      #expect(details.image.digest == image.digest)
      let first = try await service.send(ImageRemove.self, .init(image: "busybox:1"))
      #expect(first.untagged == ["docker.io/library/busybox:1"] && first.deleted.isEmpty)
      let last = try await service.send(ImageRemove.self, .init(image: "other:2"))
      #expect(last.deleted == [image.digest])
      #expect(try await service.send(ImageList.self, .init()).images.isEmpty)
      #expect(await service.stop() == 0)
      // Nothing of it is left on disk.
      for directory in ["blobs/sha256", "layers", "ingest", "staging"] {
        let listed = try await ChildProcess.run(["ls", "-A", store.store.appending(directory).string])
        #expect(listed.text.isEmpty, "\(directory) still has \(listed.text)")
      }
    }
  }

  @Test("a commit's layer is told by the commit, also on an image without a history")
  func commitWithoutHistory() async throws {
    try await withTestStore(try #require(Account.available.first)) { store in
      try await withFaultyServer { server in
        try await ServedImage(store).serve(on: server)
        let service = try await store.service()
        let name = "\(server.host)/app:1"
        _ = try await service.send(ImagePull.self, .init(reference: name))
        let made = try await service.run(name, ["touch", "/new"]) { $0.autoRemove = false }
        _ = try await service.send(
          ContainerCommit.self, .init(container: made.container.id, reference: "new:1", message: "made"))
        let layers = try await service.send(ImageInspect.self, .init(image: "new:1")).layers
        let history = try await service.send(ImageHistory.self, .init(image: "new:1")).entries
        #expect(history.map(\.layer?.digest) == layers.reversed().map(\.digest))
        #expect(history.first?.comment == "made" && history.last?.comment == nil)
        #expect(await service.stop() == 0)
      }
    }
  }

  @Test("what a service that was killed has left goes with the next collection")
  func leftovers() async throws {
    let account = try #require(Account.available.first)
    try await withTestStore(account) { store in
      let first = try await store.service()
      _ = try await first.importBusybox(store)
      first.process.kill(9)
      await first.waitForExit()
      let partial = "ingest/\(String(repeating: "a", count: 64)).partial"
      for path in [partial, "staging/layer-1/diff/file", "containers/dead/upper/file"] {
        let file = store.store.appending(path)
        _ = try await ChildProcess.run(["mkdir", "-p", file.removingLastComponent().string])
        try file.write("x".utf8)
      }
      // A newer one would wait for a pull that goes on with it.
      let age = ["touch", "-d", "25 hours ago", store.store.appending(partial).string]
      #expect(try await ChildProcess.run(age).succeeded)
      let second = try await store.service()
      _ = try await second.send(ImageRemove.self, .init(image: "busybox:1"))
      #expect(await second.stop() == 0)
      for directory in ["ingest", "staging", "containers", "layers"] {
        let listed = try await ChildProcess.run(["ls", "-A", store.store.appending(directory).string])
        #expect(listed.text.isEmpty, "\(directory) still has \(listed.text)")
      }
    }
  }

  @Test(
    "push to a real registry, remove, and pull back; the layers that are here are not fetched",
    arguments: Account.available)
  func registry(account: Account) async throws {
    try await withTestStore(account) { store in
      try await withDockerRegistry { registry in
        let service = try await store.service()
        let name = "\(registry.host)/demo/app:1"
        _ = try await service.importBusybox(store)
        let made = try await service.run(["sh", "-c", "echo new > /file"])
        let image = try await service.send(
          ContainerCommit.self, .init(container: made.container.id, reference: name, message: "a file")
        ).image
        #expect(image.layerCount == 2)
        let pushed = try await service.send(ImagePush.self, .init(image: name))
        #expect(pushed.digest == image.digest && pushed.layers.allSatisfy { $0.outcome == .pushed })
        let again = try await service.send(ImagePush.self, .init(image: name))
        #expect(again.layers.allSatisfy { $0.outcome == .present })

        _ = try await service.send(ImageRemove.self, .init(image: name))
        let shared = try await service.send(ImagePull.self, .init(reference: name))
        #expect(shared.layers.map(\.outcome) == [.present, .fetched])
        #expect(shared.image.digest == image.digest)
        #expect(try await service.run(name, ["cat", "/file"]).stdout == "new\n")

        // An empty store gets all of it, and tells of each layer.
        try await withTestStore(account) { other in
          let fresh = try await other.service()
          _ = try await fresh.send(EventSubscribe.self, .init())
          let pulled = try await fresh.send(ImagePull.self, .init(reference: name))
          #expect(pulled.layers.map(\.outcome) == [.fetched, .fetched])
          #expect(fresh.notifications.tasks.count == 3)
          _ = await fresh.notifications.event("image.pulled")
          let kinds = fresh.notifications.events.map(\.kind)
          #expect(kinds.count { $0 == "image.layerFetched" } == 2)
          #expect(kinds.count { $0 == "image.layerUnpacked" } == 2)
          #expect(try await fresh.run(name, ["cat", "/file"]).stdout == "new\n")
          #expect(await fresh.stop() == 0)
        }
        #expect(await service.stop() == 0)
      }
    }
  }

  @Test("invariant 3: two services that pull the same image at once fetch and unpack it once")
  func once() async throws {
    let account = try #require(Account.available.first)
    try await withTestStore(account) { store in
      try await withDockerRegistry { registry in
        let name = "\(registry.host)/demo/app:1"
        let (one, two) = (try await store.service("one"), try await store.service("two"))
        _ = try await one.importBusybox(store)
        let made = ["busybox:1", "a:1", "b:1", name]
        for number in 1...3 {
          let source = made[number - 1]
          let script = "dd if=/dev/zero of=/file\(number) bs=1M count=20"
          let container = try await one.run(source, ["sh", "-c", script]).container.id
          _ = try await one.send(ContainerCommit.self, .init(container: container, reference: made[number]))
          _ = try await one.send(ContainerRemove.self, .init(container: container))
        }
        _ = try await one.send(ImagePush.self, .init(image: name))
        for image in made { _ = try await one.send(ImageRemove.self, .init(image: image)) }
        _ = try await one.send(EventSubscribe.self, .init())

        async let first = one.send(ImagePull.self, .init(reference: name))
        async let second = two.send(ImagePull.self, .init(reference: name))
        let outcomes = try await (first.layers + second.layers).map(\.outcome)
        #expect(outcomes.count { $0 == .fetched } == 4)
        let digests = try await (first.image.digest, second.image.digest)
        #expect(digests.0 == digests.1)
        _ = await one.notifications.event("image.pulled")
        #expect(one.notifications.events.count { $0.kind == "image.layerUnpacked" } == 4)
        for service in [one, two] { #expect(await service.stop() == 0) }
      }
    }
  }

  @Test(
    "a damaged blob is digestMismatch, leaves nothing behind, and a repeat works",
    arguments: Account.available)
  func damaged(account: Account) async throws {
    try await withTestStore(account) { store in
      try await withDockerRegistry { registry in
        let service = try await store.service()
        let name = "\(registry.host)/demo/app:1"
        _ = try await service.importBusybox(store)
        _ = try await service.send(ImageTag.self, .init(image: "busybox:1", reference: name))
        let layers = try await service.send(ImageInspect.self, .init(image: name)).layers
        _ = try await service.send(ImagePush.self, .init(image: name))
        for reference in ["busybox:1", name] {
          _ = try await service.send(ImageRemove.self, .init(image: reference))
        }

        let path = registry.path(ofBlob: try Digest(layers[0].digest))
        let good = try path.readAll()
        var wrong = good
        wrong[wrong.count / 2] ^= 1
        for bytes in [wrong, Array(good.dropLast(1000))] {
          try path.write(bytes)
          let error = await #expect(throws: RPCError.self) {
            try await service.send(ImagePull.self, .init(reference: name))
          }
          #expect([.digestMismatch, .corrupt, .unreachable].contains(error?.data?.kind))
          #expect(try await service.send(ImageList.self, .init()).images.isEmpty)
          let layers = try await ChildProcess.run(["ls", "-A", store.store.appending("layers").string])
          #expect(layers.text.isEmpty)
        }
        try path.write(good)
        #expect(try await service.send(ImagePull.self, .init(reference: name)).image.layerCount == 1)
        #expect(try await service.run(name, ["echo", "whole"]).stdout == "whole\n")
        #expect(await service.stop() == 0)
      }
    }
  }

  @Test("what a registry or a name can do wrong has a kind, and leaves no image")
  func badRegistry() async throws {
    let account = try #require(Account.available.first)
    try await withTestStore(account) { store in
      try await withFaultyServer { server in
        let service = try await store.service()
        func kind(_ name: String, _ platform: String? = nil) async -> ErrorKind? {
          let error = await #expect(throws: RPCError.self) {
            try await service.send(ImagePull.self, .init(reference: name, platform: platform))
          }
          #expect(error?.message.isEmpty == false)
          return error?.data?.kind
        }
        let host = server.host
        server.on("GET", "/v2/a/none/manifests/1", FaultyResponse(status: 404))
        #expect(await kind("\(host)/a/none:1") == .notFound)
        server.on("GET", "/v2/a/secret/manifests/1", FaultyResponse(status: 401))
        #expect(await kind("\(host)/a/secret:1") == .unauthorized)
        server.on("GET", "/v2/a/broken/manifests/1", FaultyResponse(status: 500))
        #expect(await kind("\(host)/a/broken:1") == .unreachable)
        server.on(
          "GET", "/v2/a/text/manifests/1",
          FaultyResponse(fields: ["Content-Type": MediaType.ociManifest], body: "<html>not JSON".utf8))
        #expect(await kind("\(host)/a/text:1") == .corrupt)
        #expect(await kind("\(host)/a/has space:1") == .invalidArgument)
        #expect(await kind("127.0.0.1:1/a/b:1") == .unreachable)
        #expect(await kind("\(host)/a/b:1", "linux") == .invalidArgument)
        #expect(try await service.send(ImageList.self, .init()).images.isEmpty)
        #expect(await service.stop() == 0)
      }
    }
  }

  @Test("an image for other platforms only is notFound and says which there are", .requires(.root))
  func missingPlatform() async throws {
    try await withTestStore(.root) { store in
      try await withDockerRegistry { registry in
        let service = try await store.service()
        let name = "\(registry.host)/demo/app:1"
        _ = try await service.importBusybox(store)
        _ = try await service.send(ImagePush.self, .init(image: "busybox:1", destination: name))
        let error = await #expect(throws: RPCError.self) {
          try await service.send(ImagePull.self, .init(reference: name, platform: "linux/s390x"))
        }
        #expect(error?.data?.kind == .notFound)
        #expect(
          error?.data?.causes.contains { $0.contains("linux/amd64") || $0.contains("linux/arm64") } == true)
        #expect(await service.stop() == 0)
      }
    }
  }

  @Test("a full disk is noSpace, nothing half done is seen, and with room the pull works", .requires(.mount))
  func fullDisk() async throws {
    try await withTestStore(.root) { source in
      try await withDockerRegistry { registry in
        let maker = try await source.service()
        let name = "\(registry.host)/demo/app:1"
        _ = try await maker.importBusybox(source)
        let made = try await maker.run(["sh", "-c", "dd if=/dev/urandom of=/big bs=1M count=12"])
        _ = try await maker.send(ContainerCommit.self, .init(container: made.container.id, reference: name))
        _ = try await maker.send(ImagePush.self, .init(image: name))
        #expect(await maker.stop() == 0)
        try await withSmallFileSystem(bytes: 16 << 20) { disk in
          let store = TestStore(account: .root, directory: disk)
          let service = try await store.service()
          let error = await #expect(throws: RPCError.self) {
            try await service.send(ImagePull.self, .init(reference: name))
          }
          #expect(error?.data?.kind == .noSpace)
          #expect(try await service.send(ImageList.self, .init()).images.isEmpty)
          try growSmallFileSystem(disk, bytes: 128 << 20)
          #expect(try await service.send(ImagePull.self, .init(reference: name)).image.layerCount == 2)
          #expect(await service.stop() == 0)
        }
      }
    }
  }
}
