import Foundation
import OCIModel
import RPCModel
import RPCTransport
import TestSupport
import Testing

@Suite("Caches of builds: in registries, and what of them goes")
struct BuildCacheTests {
  /// The stages before the last one are the cache's alone.
  private func file(_ host: String, change: String = "") -> String {
    """
    FROM \(host)/base:1 AS tools
    RUN echo tool > /tool
    RUN echo never used > /unused
    FROM \(host)/base:1
    ENV A=\(change)1
    COPY src /src
    COPY --from=tools /tool /tool
    RUN cat /tool /src/a > /made
    """
  }

  /// Runs `body` with two stores that share nothing but a registry, in which `base:1` is.
  private func withTwo(
    _ account: Account, _ body: @Sendable (BuildContext, BuildContext, DockerRegistry) async throws -> Void
  ) async throws {
    try await withDockerRegistry { registry in
      try await withBuildContext(account) { first in
        _ = try await first.service.send(
          ImagePush.self, .init(image: "busybox:1", destination: "\(registry.host)/base:1"))
        try await withTestStore(account) { store in
          let second = BuildContext(store: store, service: try await store.service())
          try await second.script("mkdir -p context/src; echo one > context/src/a; echo two > context/src/b")
          try await body(first, second, registry)
          #expect(await second.service.stop() == 0)
        }
      }
    }
  }

  @Test("another machine's cache serves all stages with mode=max", arguments: Account.available)
  func shared(account: Account) async throws {
    try await withTwo(account) { first, second, registry in
      let cache = "\(registry.host)/cache:main"
      var params = first.params(file(registry.host), references: ["app:1"])
      params.cacheTo = BuildCacheTarget(reference: cache, mode: .max)
      let built = try await first.service.send(BuildStart.self, params)
      #expect(built.cacheTo?.steps == 6 && (built.cacheTo?.sentBytes ?? 0) > 0)
      let again = try await first.service.send(BuildStart.self, params)
      #expect(again.areAllCached && again.cacheTo?.sentBytes == 0)
      #expect(again.cacheTo?.digest == built.cacheTo?.digest)

      // Before anything is there, it is known what would come from where.
      let unknown = try await second.service.send(
        BuildExplain.self,
        .init(
          BuildDescription(
            context: second.path, dockerfile: file(registry.host), network: "none", cacheFrom: [cache])))
      #expect(unknown.cacheWarnings == nil)
      _ = try await second.service.send(ImagePull.self, .init(reference: "\(registry.host)/base:1"))
      let explained = try await second.explain(file(registry.host)) { $0.cacheFrom = [cache] }
      let tools = explained.filter { $0.stage == "tools" }
      #expect(tools.allSatisfy { $0.cached } && tools.last?.cachedFrom == cache)

      let rebuilt = try await second.build(file(registry.host)) { $0.cacheFrom = [cache] }
      #expect(rebuilt.areAllCached, "\(rebuilt.steps)")
      #expect(rebuilt.image.digest == built.image.digest && rebuilt.cacheWarnings == nil)
      #expect(rebuilt.steps.filter { $0.ordinal > 0 }.allSatisfy { $0.cachedFrom == cache })
      let seen = try await second.service.run(rebuilt.image.digest, ["cat", "/made"])
      #expect(seen.stdout == "tool\none\n")
      // From now on it is the store's own.
      let third = try await second.build(file(registry.host))
      #expect(third.areAllCached && third.steps.allSatisfy { $0.cachedFrom == nil })
      // After a change, it says why against what another machine has built.
      try await withTestStore(account) { store in
        let other = BuildContext(store: store, service: try await store.service())
        try await other.script("mkdir -p context/src; echo else > context/src/a; echo two > context/src/b")
        _ = try await other.service.send(ImagePull.self, .init(reference: "\(registry.host)/base:1"))
        let changed = try await other.build(file(registry.host)) { $0.cacheFrom = [cache] }
        let copy = changed.steps.first { $0.instruction == "COPY src /src" }
        #expect(copy?.cached == false && copy?.reasons == ["src/a has other content"])
        #expect(changed.steps.first { $0.instruction.hasPrefix("ENV") }?.cachedFrom == cache)
        #expect(await other.service.stop() == 0)
      }
    }
  }

  @Test("mode=min has what the image consists of, and layers that are of no use are not fetched")
  func least() async throws {
    try await withTwo(try #require(Account.available.first)) { first, second, registry in
      let cache = "\(registry.host)/cache:min"
      var params = first.params("FROM \(registry.host)/base:1\nRUN echo 1 > /one\nRUN echo 2 > /two")
      params.cacheTo = BuildCacheTarget(reference: cache)
      let built = try await first.service.send(BuildStart.self, params)
      #expect(built.cacheTo?.steps == 2)
      let layers = try await first.service.send(ImageInspect.self, .init(image: built.image.digest)).layers
      let blobs = second.store.store.appending("blobs/sha256").string
      let part = try await second.build(
        "FROM \(registry.host)/base:1\nRUN echo 1 > /one\nRUN echo 3 > /three"
      ) {
        $0.cacheFrom = [cache]
      }
      #expect(part.steps.map(\.cached) == [true, true, false])
      let there = try await ChildProcess.run(["ls", blobs]).text
      #expect(there.contains(layers[1].digest.dropFirst(7)) && !there.contains(layers[2].digest.dropFirst(7)))
    }
  }

  @Test("a cache that is not there, or is none, or is damaged, is a warning, and the build goes on")
  func unusable() async throws {
    try await withTwo(try #require(Account.available.first)) { first, second, registry in
      let file = "FROM \(registry.host)/base:1\nRUN echo 1 > /one"
      let cache = "\(registry.host)/cache:1"
      var params = first.params(file)
      params.cacheTo = BuildCacheTarget(reference: cache)
      let sent = try await first.service.send(BuildStart.self, params)
      let layer = try #require(sent.steps.last?.layer)
      let blob = try Digest(layer)
      try registry.path(ofBlob: blob).write([UInt8]("something else".utf8))
      let names = ["\(registry.host)/nope:1", "\(registry.host)/base:1", cache]
      let built = try await second.build(file) { $0.cacheFrom = names }
      #expect(built.steps.map(\.cached) == [true, false])
      let warnings = built.cacheWarnings ?? []
      #expect(warnings.count == 3, "\(warnings)")
      #expect(warnings.contains { $0.contains("nope") } && warnings.contains { $0.contains("is no cache") })
      let bad = await #expect(throws: RPCError.self) {
        _ = try await second.build(file) { $0.cacheFrom = ["Not A Name"] }
      }
      #expect(bad?.data?.kind == .invalidArgument)
    }
  }

  @Test("a cache that cannot be sent is an error, and there is neither an image nor an output")
  func unsent() async throws {
    try await withBuildContext(try #require(Account.available.first)) { context in
      let file = "FROM busybox:1\nRUN echo 1 > /one"
      for (reference, kind) in [
        ("127.0.0.1:1/cache:1", ErrorKind.unreachable),
        ("127.0.0.1:1/cache@\(Digest(of: []))", .invalidArgument),
      ] {
        let error = try await context.failure(file) {
          $0.references = ["unsent:1"]
          $0.outputs = [.init(type: .oci, path: context.path("unsent"), directory: true)]
          $0.cacheTo = BuildCacheTarget(reference: reference)
        }
        #expect(error.data?.kind == kind, "\(error.message)")
        try await context.script("test ! -e unsent")
      }
      let images = try await context.images()
      #expect(images.names == ["docker.io/library/busybox:1"] && images.unnamed == 0)
      let built = try await context.build(file) { $0.arguments = ["BUILDKIT_INLINE_CACHE": "1"] }
      #expect(built.areAllCached)
      #expect(built.cacheWarnings?.first?.contains("--cache-to") == true, "\(built.cacheWarnings ?? [])")
    }
  }

  @Test("at the REPL, in BuildKit's words")
  func repl() async throws {
    try await withTwo(try #require(Account.available.first)) { first, second, registry in
      let file = "FROM \(registry.host)/base:1\\nRUN echo 1 > /one\\n"
      for context in [first, second] { try await context.script("printf '\(file)' > context/Dockerfile") }
      let cache = "\(registry.host)/cache:repl"
      let sent = try await first.store.runProgram(
        "coracle-repl",
        ["-c", "build --network none --cache-to type=registry,ref=\(cache),mode=max \(first.path)"])
      #expect(sent.status == .exited(0) && sent.text.contains("1 instructions"), "\(sent.errorText)")
      let used = try await second.store.runProgram(
        "coracle-repl", ["-c", "build --network none --cache-from ref=\(cache) \(second.path)"])
      #expect(used.text.contains("2 of 2 instructions from the cache"), "\(used.text) \(used.errorText)")
      // What is pushed is an image that others pull.
      let name = "\(registry.host)/pushed:1"
      let pushed = try await first.store.runProgram(
        "coracle-repl", ["-c", "build --network none -t \(name) -o type=registry \(first.path)"])
      #expect(pushed.status == .exited(0), "\(pushed.errorText)")
      let pulled = try await second.service.send(ImagePull.self, .init(reference: name))
      #expect(pulled.layers.count == 2)
    }
  }

  @Test(
    "limits by size and age: a plan with reasons, and cache mounts with their names",
    arguments: Account.available)
  func limits(account: Account) async throws {
    try await withBuildContext(account) { context in
      let service = context.service
      let built = try await context.build(
        """
        FROM busybox:1
        RUN seq 100000 > /old
        RUN seq 200000 > /new
        RUN --mount=type=cache,id=stuff,target=/c seq 1000 > /c/f
        """)
      _ = try await service.send(ImageRemove.self, .init(image: built.image.digest))
      func plan(_ change: (inout SystemPrune.Params) -> Void = { _ in }) async throws -> SystemPrune.Result {
        var params = SystemPrune.Params(kinds: [.buildCache, .cacheMount])
        change(&params)
        return try await service.send(SystemPrune.self, params)
      }
      let all = try await plan()
      #expect(all.items.count == 4 && all.items.contains { $0.kind == .cacheMount && $0.name == "stuff" })
      let none = try await plan { $0.unusedForMs = 3_600_000 }
      #expect(none.items.isEmpty)
      let enough = try await plan { $0.keepBuildCacheBytes = all.bytes }
      #expect(enough.items.isEmpty)
      let half = try await plan { $0.keepBuildCacheBytes = all.bytes - 1 }
      #expect(half.items.count == 1 && half.items[0].reason.contains("1 more than may stay"), "\(half.items)")
      let gone = try await plan {
        $0.keepBuildCacheBytes = all.bytes - 1
        $0.apply = half.items.map(\.id)
      }
      #expect(gone.items.map(\.outcome) == [.removed])
      let rest = try await plan()
      #expect(rest.items.count == 3)
      let cleared = try await plan { $0.apply = rest.items.map(\.id) }
      #expect(cleared.items.allSatisfy { $0.outcome == .removed }, "\(cleared.items)")
      let left = try await ChildProcess.run(["ls", context.store.store.appending("build-caches").string])
      #expect(left.text.isEmpty)
    }
  }

  @Test("what builds keep is listed, and prune takes it away with its layers", arguments: Account.available)
  func prune(account: Account) async throws {
    try await withBuildContext(account) { context in
      let service = context.service
      _ = try await context.build("FROM busybox:1\nRUN echo x > /x")
      let image = try await service.send(ImageList.self, .init()).images.first { $0.references.isEmpty }
      _ = try await service.send(ImageRemove.self, .init(image: try #require(image).digest))
      let entries = try await service.send(BuildCacheList.self, .init()).entries
      #expect(entries.map(\.instruction) == ["RUN echo x > /x"])
      // Its layer is nobody's but the cache's, and stays.
      let found3 = try await context.build("FROM busybox:1\nRUN echo x > /x").areAllCached
      #expect(found3)
      let rebuilt = try await service.send(ImageList.self, .init()).images.first { $0.references.isEmpty }
      _ = try await service.send(ImageRemove.self, .init(image: try #require(rebuilt).digest))
      let plan = try await service.send(SystemPrune.self, .init(kinds: [.buildCache]))
      #expect(plan.items.count == 1 && plan.bytes > 0)
      let gone = try await service.send(
        SystemPrune.self, .init(kinds: [.buildCache], apply: plan.items.map(\.id)))
      #expect(gone.items.map(\.outcome) == [.removed])
      let remaining = try await service.send(BuildCacheList.self, .init()).entries
      #expect(remaining.isEmpty)
      let left = try await service.send(SystemPrune.self, .init(kinds: [.content, .remains]))
      #expect(left.items.isEmpty, "\(left.items)")
    }
  }

  @Test(
    "without any cache, another store comes to the same image, whatever its umask and the order of its files")
  func sameDigest() async throws {
    try await withTwo(try #require(Account.available.last)) { first, second, registry in
      let file = """
        FROM \(registry.host)/base:1 AS made
        WORKDIR /w
        COPY . .
        RUN mkdir d && for f in c a b; do echo $f > d/$f; done && ln d/a d/z && rm /etc/group
        FROM \(registry.host)/base:1
        LABEL l=1
        COPY --from=made /w /w
        COPY --link src/a /linked
        RUN cat /w/d/* > /all
        """
      try await first.script("cd context; echo x > x; echo y > y; chmod -R u=rwX,go=rX .")
      try await second.script(
        "cd context; umask 077; echo y > y; echo x > x; chmod -R u=rwX,go=rX .; touch -d 2001-01-01 x src/a")
      var digests: [String] = []
      for context in [first, second] {
        let built = try await context.build(file) { $0.noCache = true }
        digests.append(built.image.digest)
      }
      #expect(digests[0] == digests[1])
    }
  }
}
