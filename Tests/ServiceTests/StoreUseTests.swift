import RPCModel
import SystemPackage
import TestSupport
import Testing

@Suite("What the store takes up, and what may go")
struct StoreUseTests {
  private func du(_ paths: [FilePath]) async throws -> Int {
    let result = try await ChildProcess.run(["du", "-s", "-c", "--block-size=1"] + paths.map(\.string))
    let total = result.text.split(separator: "\n").last?.prefix { $0.isNumber }
    return try #require(total.flatMap { Int($0) }, "\(result.errorText)")
  }

  /// Two images, the second on top of the first, and a container of each, of which the first runs.
  private func fill(_ store: TestStore, _ service: TestService) async throws -> (
    running: String, ended: String
  ) {
    _ = try await service.importBusybox(store)
    let made = try await service.send(
      ContainerCreate.self,
      .init(image: "busybox:1", name: "maker", command: ["sh", "-c", "head -c 300000 /dev/zero > /data"]))
    _ = try await service.send(ContainerStart.self, .init(container: made.container.id))
    _ = try await service.send(ContainerWait.self, .init(container: "maker"))
    _ = try await service.send(ContainerCommit.self, .init(container: "maker", reference: "two:1"))
    let running = try await service.send(
      ContainerCreate.self, .init(image: "two:1", name: "sleeper", command: ["sleep", "1000"]))
    _ = try await service.send(ContainerStart.self, .init(container: "sleeper"))
    return (running.container.id, made.container.id)
  }

  @Test("disk usage adds up to what du counts, part by part", arguments: Account.available)
  func diskUsage(account: Account) async throws {
    try await withTestStore(account) { store in
      let service = try await store.service()
      let (running, ended) = try await fill(store, service)
      let orphan = store.store.appending("blobs/sha256/\(String(repeating: "ab", count: 32))")
      try orphan.write("nobody needs this".utf8)

      // Lists tell the same afterwards; the second time nothing is written.
      _ = try await service.send(SystemDiskUsage.self, .init())
      let usage = try await service.send(SystemDiskUsage.self, .init())
      #expect(usage.totalBytes == (try await du([store.store])))
      let images = usage.images
      #expect(
        usage.totalBytes == images.uniqueBytes + images.sharedBytes + usage.containers.bytes
          + usage.leftoverBytes + usage.overheadBytes)
      #expect(images.uniqueBytes == images.images.reduce(0) { $0 + $1.uniqueBytes })
      #expect(usage.leftoverBytes == (try await du([orphan])))
      let content = ["blobs/sha256", "layers"].map { store.store.appending($0) }
      let items = try await ChildProcess.run(
        ["find"] + content.map(\.string) + ["-mindepth", "1", "-maxdepth", "1"])
      let itemPaths = items.text.split(separator: "\n").map { FilePath(String($0)) }
      #expect(images.uniqueBytes + images.sharedBytes + usage.leftoverBytes == (try await du(itemPaths)))
      let containers = [running, ended].map { store.store.appending("containers/\($0)") }
      #expect(usage.containers.bytes == (try await du(containers)))
      #expect(usage.containers.reclaimableBytes == (try await du([containers[1]])))

      let two = try #require(images.images.first { $0.references.first?.contains("two") == true })
      let one = try #require(images.images.first { $0.references.first?.contains("busybox") == true })
      #expect(two.containers == 1 && one.containers == 1)
      #expect(two.uniqueBytes >= 300_000 && two.totalBytes == two.uniqueBytes + two.sharedBytes)
      #expect(
        one.sharedBytes == two.sharedBytes && one.sharedBytes == images.sharedBytes && one.sharedBytes > 0)
      for image in try await service.send(ImageList.self, .init()).images {
        let usage = try #require(images.images.first { $0.digest == image.digest })
        #expect(
          [image.totalBytes, image.uniqueBytes, image.sharedBytes] == [
            usage.totalBytes, usage.uniqueBytes, usage.sharedBytes,
          ])
      }
      _ = try await service.send(ContainerRemove.self, .init(container: "sleeper", force: true))
      #expect(await service.stop() == 0)
    }
  }

  @Test("history tells which other images have a layer", arguments: Account.available)
  func sharers(account: Account) async throws {
    try await withTestStore(account) { store in
      let service = try await store.service()
      _ = try await fill(store, service)
      let entries = try await service.send(ImageHistory.self, .init(image: "two:1")).entries
      #expect(entries.map(\.sharedWith) == [nil, ["docker.io/library/busybox:1"]])
      let below = try await service.send(ImageHistory.self, .init(image: "busybox:1")).entries
      #expect(below.map(\.sharedWith) == [["docker.io/library/two:1"]])
      _ = try await service.send(ContainerRemove.self, .init(container: "sleeper", force: true))
      _ = try await service.send(ImageRemove.self, .init(image: "two:1"))
      let alone = try await service.send(ImageHistory.self, .init(image: "busybox:1")).entries
      #expect(alone.map(\.sharedWith) == [nil])
      #expect(await service.stop() == 0)
    }
  }

  @Test(
    "a plan says what may go and why; only what is asked for goes, and only what still may",
    arguments: Account.available)
  func prune(account: Account) async throws {
    try await withTestStore(account) { store in
      let service = try await store.service()
      let (running, ended) = try await fill(store, service)
      // The image loses its name to another one, and only the container that was made from it is in the way.
      _ = try await service.send(ImageTag.self, .init(image: "two:1", reference: "busybox:1"))
      let blob = String(repeating: "ab", count: 32)
      for path in ["blobs/sha256/\(blob)", "ingest/\(blob).partial", "staging/layer-1", "containers/dead"] {
        let file = store.store.appending(path)
        let made = try await ChildProcess.run(
          account.launcher + ["sh", "-c", "echo x > \"$1\"", "sh", file.string])
        #expect(made.succeeded, "\(made.errorText)")
      }
      let before = try await du([store.store])
      let plan = try await service.send(SystemPrune.self, .init())
      #expect(before == (try await du([store.store])))
      #expect(
        plan.items.map { "\($0.kind?.rawValue ?? "?") \($0.name ?? "-") \($0.reason)" }.sorted() == [
          "container maker it has ended with status 0", "content - no image needs it",
          "download - it is a part of a blob, for a later pull to go on with",
          "image - it has no name, and no container needs it",
          "remains - a service that was killed has left it",
          "remains - it is the directory of a container that is not there",
        ])
      #expect(plan.items.allSatisfy { $0.outcome == nil } && plan.incomplete == nil)
      let container = try #require(plan.items.first { $0.kind == .container })
      #expect(container.id == "container:\(ended)")

      // Not in any plan, and no more of use.
      let refused = try await service.send(
        SystemPrune.self, .init(apply: ["container:\(running)", "image:sha256:\(blob)"]))
      #expect(refused.items.map(\.outcome) == [.kept, .kept] && refused.bytes == 0)
      // What has been in use meanwhile stays.
      _ = try await service.send(ContainerStart.self, .init(container: "maker"))
      _ = try await service.send(ContainerWait.self, .init(container: "maker"))
      let young = try await service.send(SystemPrune.self, .init(kinds: [.container], unusedForMs: 3_600_000))
      #expect(young.items.isEmpty)

      let some = plan.items.filter { $0.kind != .image && $0.kind != .container }
      let first = try await service.send(SystemPrune.self, .init(apply: some.map(\.id)))
      #expect(first.items.map(\.id) == some.map(\.id) && first.items.allSatisfy { $0.outcome == .removed })
      #expect(first.bytes == some.reduce(0) { $0 + $1.bytes })
      #expect(try await service.send(SystemPrune.self, .init()).items.map(\.kind) == [.container, .image])

      let rest = try await service.send(SystemPrune.self, .init(apply: plan.items.map(\.id)))
      let outcomes = Set(rest.items.filter { $0.outcome == .removed }.compactMap(\.kind))
      #expect(outcomes == [.container, .image])
      #expect(try await service.send(SystemPrune.self, .init()).items.isEmpty)
      // Named images only go when that is asked for, and never those that a container needs.
      let named = try await service.send(SystemPrune.self, .init(namedImages: true))
      #expect(named.items.isEmpty)
      _ = try await service.send(ContainerRemove.self, .init(container: "sleeper", force: true))
      let all = try await service.send(SystemPrune.self, .init(namedImages: true))
      #expect(all.items.map(\.reason) == ["no container needs it"])
      let usage = try await service.send(SystemDiskUsage.self, .init())
      let gone = try await service.send(
        SystemPrune.self, .init(namedImages: true, apply: all.items.map(\.id)))
      #expect(gone.items.map(\.outcome) == [.removed])
      #expect(gone.bytes == usage.images.uniqueBytes + usage.images.sharedBytes)
      #expect(try await service.send(ImageList.self, .init()).images.isEmpty)
      #expect(await service.stop() == 0)
    }
  }

  @Test("what is being pulled is not taken for a leftover")
  func besideAPull() async throws {
    let account = try #require(Account.available.first)
    try await withTestStore(account) { store in
      try await withFaultyServer { server in
        let image = try await ServedImage(store)
        let layer = image.layers[0]
        image.serve(on: server) { point, response in
          point == .layer ? .blob(layer, fault: .hangs(afterBytes: layer.count / 2)) : response
        }
        let service = try await store.service()
        let other = try await store.service("pruner")
        let pull = Task { try await service.send(ImagePull.self, .init(reference: "\(server.host)/app:1")) }
        await service.notifications.wait { all in
          all.contains {
            if case .taskProgressed(let task) = $0 { task.done >= layer.count / 2 } else { false }
          }
        }
        let plan = try await other.send(SystemPrune.self, .init())
        #expect(plan.items.isEmpty && plan.incomplete?.contains("others are adding content") == true)
        pull.cancel()
        _ = await pull.result
        // Now it is.
        let left = try await other.send(SystemPrune.self, .init()).items
        #expect(left.map(\.kind) == [.content, .download], "\(left)")
        #expect(await service.stop() == 0)
        #expect(await other.stop() == 0)
      }
    }
  }
}
