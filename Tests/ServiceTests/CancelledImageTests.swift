import OCIModel
import RPCModel
import SystemPackage
import TestSupport
import Testing

@Suite("Requests about images that are cancelled")
struct CancelledImageTests {
  @Test("a removal that is cancelled behind its commit is answered as what it is: done")
  func removal() async throws {
    try await withTestStore(try #require(Account.available.first)) { store in
      try await withFaultyServer { server in
        let image = try await ServedImage(store)
        let half = image.layers[0].count / 2
        image.serve(on: server) { point, response in
          point == .layer ? .blob(image.layers[0], fault: .hangs(afterBytes: half), ranges: false) : response
        }
        let (adding, removing) = (try await store.service("adding"), try await store.service("removing"))
        _ = try await removing.importBusybox(store)
        _ = try await removing.send(EventSubscribe.self, .init(kinds: ["image."]))
        // While it adds content, the removal waits a moment before it leaves the collection to others.
        let pull = Task {
          try await adding.send(ImagePull.self, .init(reference: "\(server.host)/app:1"))
        }
        await adding.notifications.wait { all in
          all.contains { if case .taskProgressed(let task) = $0 { task.done >= half } else { false } }
        }
        let removal = Task { try await removing.send(ImageRemove.self, .init(image: "busybox:1")) }
        _ = await removing.notifications.event("image.removed")
        removal.cancel()
        let removed = try await removal.value
        #expect(removed.deleted.count == 1 && removed.untagged == ["docker.io/library/busybox:1"])
        #expect(try await removing.send(ImageList.self, .init()).images.isEmpty)
        pull.cancel()
        await #expect(throws: RPCError.self) { try await pull.value }
        for service in [adding, removing] { #expect(await service.stop() == 0) }
      }
    }
  }

  @Test("a load is cancelled while it unpacks, and says so; nothing stays")
  func load() async throws {
    try await withTestStore(try #require(Account.available.first)) { store in
      let service = try await store.service()
      let made = try await service.importBusybox(store, #"head -c 200000000 /dev/zero > "$root"/zeroes"#)
      let layout = store.directory.appending("layout")
      _ = try await service.send(
        ImageSave.self, .init(images: ["busybox:1"], path: layout.string, format: .directory))
      _ = try await service.send(ImageRemove.self, .init(image: "busybox:1"))
      // One that is done sooner than the cancellation comes is done again.
      for attempt in 1...20 {
        let before = service.notifications.tasks.count
        let loading = Task { try await service.send(ImageLoad.self, .init(path: layout.string)) }
        await service.notifications.wait { all in
          let started = all.compactMap { if case .taskStarted(let task) = $0 { task } else { nil } }
          return started.dropFirst(before).contains { $0.title.hasPrefix("layer ") }
        }
        loading.cancel()
        do {
          let loaded = try await loading.value
          #expect(loaded.images.first?.image.digest == made.digest && attempt < 20)
          _ = try await service.send(ImageRemove.self, .init(image: "busybox:1"))
        } catch let error as RPCError {
          #expect(error.code == ErrorCode.requestCancelled && error.message == "loading layout was cancelled")
          break
        }
      }
      try await expectEmpty(store)
      #expect(await service.stop() == 0)
    }
  }
}

@Suite("Archives that name images often")
struct ManyNamesTests {
  /// A layout of one image, under so many names.
  private static let maker = #"""
    import json, sys
    layout, count = sys.argv[1], int(sys.argv[2])
    path = layout + "/index.json"
    index = json.load(open(path))
    first = index["manifests"][0]
    index["manifests"] = [dict(first, annotations={"org.opencontainers.image.ref.name": "many/names:%d" % number})
      for number in range(count)]
    json.dump(index, open(path, "w"))
    """#

  @Test("an image is read once for all of its names; more than anybody gives one are refused")
  func names() async throws {
    try await withTestStore(try #require(Account.available.first)) { store in
      let service = try await store.service()
      _ = try await service.importBusybox(store)
      let layout = store.directory.appending("layout")
      _ = try await service.send(
        ImageSave.self, .init(images: ["busybox:1"], path: layout.string, format: .directory))
      _ = try await service.send(ImageRemove.self, .init(image: "busybox:1"))
      for count in [12_000, 900] {
        let made = try await ChildProcess.run(["python3", "-c", Self.maker, layout.string, "\(count)"])
        #expect(made.succeeded, "\(made.errorText)")
        if count > 1000 {
          let error = await #expect(throws: RPCError.self) {
            try await service.send(ImageLoad.self, .init(path: layout.string))
          }
          #expect(error?.data?.kind == .corrupt && error?.message.contains("12000 names") == true)
          try await expectEmpty(store)
        } else {
          let loaded = try await service.send(ImageLoad.self, .init(path: layout.string))
          #expect(loaded.images.count == 1 && loaded.images.first?.references.count == count)
        }
      }
      #expect(await service.stop() == 0)
    }
  }
}
