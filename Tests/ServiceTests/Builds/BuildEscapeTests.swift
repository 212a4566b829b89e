import RPCModel
import TestSupport
import Testing

/// What broke out of other builders: each a Dockerfile that tries, black box.
@Suite("What a build cannot do")
struct BuildEscapeTests {
  /// Runs `body` with a directory of the host's that no build may reach; it is as it was afterwards.
  private func withOutside(
    _ account: Account, _ body: @Sendable (BuildContext, _ outside: String) async throws -> Void
  ) async throws {
    try await withBuildContext(account) { context in
      try await context.script("mkdir -p outside/victim; echo host > outside/secret")
      try await body(context, context.path("outside"))
      #expect(try await context.output("cd outside; find . | sort; cat secret") == Self.untouched)
    }
  }

  private static let untouched = ".\n./secret\n./victim\nhost\n"

  private static func lines(_ output: FoundDigest) -> [Substring] {
    output.text.split(separator: "\n").map { $0.drop { $0 != " " }.dropFirst() }
  }

  @Test(
    "CVE-2024-1753: a mount's source that is a link to / is the root of what it is in, and never the host's",
    arguments: Account.available)
  func sourceLinks(account: Account) async throws {
    try await withOutside(account) { context, outside in
      let links = "ln -s / top; ln -s ../../../../../../../../../.. up; ln -s \(outside) out"
      try await context.script("cd context; \(links)")
      func file(_ mount: String) -> String {
        let place = "/m\(outside)"
        return """
          FROM busybox:1 AS trap
          RUN \(links)
          FROM busybox:1
          RUN --mount=\(mount),target=/m,rw test ! -e \(place) && mkdir -p \(place) && echo evil > \(place)/secret && ls /m
          """
      }
      for (number, (mount, own)) in [
        ("type=bind,from=trap,source=/top", "bin"), ("type=bind,from=trap,source=/up", "bin"),
        ("type=bind,source=top", "src"), ("type=bind,source=up", "src"),
        ("type=bind,source=top/up/top", "src"),
        ("type=cache,from=trap,source=/top", "bin"), ("type=cache,from=trap,source=/up/top", "bin"),
      ].enumerated() {
        let output = FoundDigest()
        let id = mount.hasPrefix("type=cache") ? ",id=\(number)" : ""
        _ = try await context.build(file(mount + id), output: output)
        #expect(Self.lines(output).contains(Substring(own)), "\(mount): \(output.text)")
      }
      for mount in [
        "type=bind,from=trap,source=/out", "type=bind,source=out", "type=cache,from=trap,source=/out",
      ] {
        let error = try await context.failure(file(mount))
        #expect(error.data?.kind == .invalidArgument, "\(mount): \(error.message)")
      }
    }
  }

  @Test("CVE-2024-9407: no option of mount(2) comes in by a mount's fields", arguments: Account.available)
  func options(account: Account) async throws {
    try await withOutside(account) { context, outside in
      for mount in [
        "type=bind,source=src,target=/m,bind-propagation=shared",
        "type=bind,source=src,target=/m,bind-propagation=rslave:/etc",
        "type=bind,source=src,target=/m,relabel=shared", "type=bind,source=src,target=/m,options=suid",
        "type=bind,source=src,target=/m,ro=true:suid", "type=bind,source=src,target=/m,rshared",
        "type=tmpfs,target=/m,size=1m:mode=4777", "type=tmpfs,target=/m,mode=4777",
        "type=tmpfs,target=/m,dev",
        "type=cache,target=/m,sharing=shared:dev", "type=cache,target=/m,uid=0:suid",
        "type=overlay,target=/m,source=src", "type=devpts,target=/m", "type=bind:suid,source=src,target=/m",
        "\"source=src,suid\",target=/m", "\"source=src,x-coracle.subpath=..\",target=/m",
        "source=src:\(outside),target=/m",
      ] {
        let error = try await context.failure("FROM busybox:1\nRUN --mount='\(mount)' true")
        #expect(error.data?.kind == .invalidArgument, "\(mount): \(error.message)")
      }
      // In a path they are characters of a name.
      let output = FoundDigest()
      _ = try await context.build(
        """
        FROM busybox:1
        RUN --mount='type=tmpfs,"target=/m:suid,dev,exec",size=1m' busybox grep /m: /proc/mounts
        """, output: output)
      let options = output.text.split(separator: " ").dropFirst(4).first?.split(separator: ",") ?? []
      #expect(output.text.contains(" /m:suid,dev,exec tmpfs "), "\(output.text)")
      #expect(options.contains("nosuid") && options.contains("nodev"), "\(output.text)")
    }
  }

  @Test("CVE-2024-9675: a cache's id is no path, and leads nowhere", arguments: Account.available)
  func cacheIDs(account: Account) async throws {
    try await withOutside(account) { context, outside in
      let ids = [
        "../../../outside", "../../outside", "/../../outside", outside, "..", ".", "/", "a/../../../outside",
        "\(String(repeating: "../", count: 20))\(outside)",
      ]
      for id in ids {
        let output = FoundDigest()
        _ = try await context.build(
          "FROM busybox:1\nRUN --mount=type=cache,id=\(id),target=/c ls -A /c; echo evil > /c/secret",
          output: output)
        #expect(output.text.isEmpty, "\(id): \(output.text)")
      }
      let names = try await ChildProcess.run(
        ["ls", "-A", context.store.store.appending("build-caches").string]
      ).text.split(separator: "\n")
      #expect(names.count(where: { !$0.contains(".") }) == ids.count, "\(names)")
      #expect(names.allSatisfy { $0.prefix(64).allSatisfy(\.isHexDigit) }, "\(names)")
      let plan = try await context.service.send(SystemPrune.self, .init(kinds: [.cacheMount]))
      let gone = try await context.service.send(
        SystemPrune.self, .init(kinds: [.cacheMount], apply: plan.items.map(\.id)))
      #expect(gone.items.map(\.outcome) == ids.map { _ in .removed })
    }
  }

  /// A RUN that mounts one file of a cache or, for a RUN that may change it, the directory that it is in.
  private static func cacheFile(_ source: String, _ command: String) -> String {
    """
    FROM busybox:1 AS seed
    RUN mkdir /d && echo seed > /d/f
    FROM busybox:1
    RUN --mount=type=cache,id=x,from=seed,source=\(source),target=/c \(command)
    """
  }

  @Test(
    "CVE-2024-23651: what is exchanged in a cache for a link leads no mount of it out",
    arguments: Account.available)
  func exchangedCache(account: Account) async throws {
    try await withOutside(account) { context, outside in
      let up = String(repeating: "../", count: 20)
      for (number, target) in [
        "\(outside)/secret", "\(up)\(outside)/secret", "/proc/1/root\(outside)/secret",
      ].enumerated() {
        _ = try await context.build(Self.cacheFile("/d", "rm /c/f; ln -s \(target) /c/f; echo \(number)"))
        let error = try await context.failure(
          Self.cacheFile("/d/f", "cat /c; echo evil > /c; echo \(number)"))
        #expect(error.data?.kind == .invalidArgument, "\(target): \(error.message)")
      }
      // Within the cache it may lead.
      let output = FoundDigest()
      _ = try await context.build(Self.cacheFile("/d", "rm /c/f; echo other > /c/g; ln -s g /c/f"))
      _ = try await context.build(Self.cacheFile("/d/f", "cat /c"), output: output)
      #expect(Self.lines(output) == ["other"])

      let swapping = Task {
        try await context.build(
          Self.cacheFile(
            "/d",
            "while :; do ln -s \(outside)/secret /c/n; busybox mv /c/n /c/f; echo own > /c/n; busybox mv /c/n /c/f; done"
          ))
      }
      var seen: Set<Substring> = []
      for number in 0..<20 {
        let output = FoundDigest()
        let file = Self.cacheFile("/d/f", "cat /c; echo evil \(number) > /c")
        do {
          _ = try await context.build(file, output: output)
          seen.formUnion(Self.lines(output))
        } catch let error as RPCError {
          #expect(error.data?.kind == .invalidArgument || error.data?.kind == .notFound, "\(error.message)")
        }
      }
      swapping.cancel()
      _ = await swapping.result
      #expect(!seen.contains("host"), "\(seen)")
    }
  }

  @Test(
    "CVE-2024-23652: a mount's place that became a link leads no step after it, and no tidying, out",
    arguments: Account.available)
  func exchangedTarget(account: Account) async throws {
    try await withOutside(account) { context, outside in
      for kind in ["type=cache", "type=tmpfs", "type=bind,source=src"] {
        _ = try await context.build(
          """
          FROM busybox:1
          RUN --mount=\(kind),target=/stub/victim --mount=type=bind,source=src/a,target=/stub/secret busybox mv /stub /gone && ln -s \(outside) /stub
          RUN --mount=\(kind),target=/stub/victim --mount=type=bind,source=src/a,target=/stub/secret cat /stub/secret
          WORKDIR /stub/work
          COPY src /stub/victim/
          RUN rm -rf /stub/victim && echo evil > /stub/secret
          """, references: ["stub:1"])
        let seen = try await context.service.run(
          "stub:1", ["sh", "-c", "busybox readlink /stub; cat /stub/secret; ls /stub"])
        #expect(seen.stdout == "\(outside)\nevil\nsecret\nwork\n", "\(kind): \(seen)")
        #expect(
          try await context.output("cd outside; find . | sort; cat secret") == Self.untouched, "\(kind)")
      }
    }
  }

  @Test(
    "CVE-2024-24557: images of the same layers with other settings share nothing of the cache",
    arguments: Account.available)
  func sameLayers(account: Account) async throws {
    try await withBuildContext(account) { context in
      let layers = "FROM scratch\nCOPY --from=busybox:1 / /\n"
      _ = try await context.build(layers + "ENV WHO=one", references: ["one:1"])
      _ = try await context.build(
        layers + "ENV WHO=two\nONBUILD RUN echo evil > /evil", references: ["two:1"])
      let one = try await context.service.send(ImageInspect.self, .init(image: "one:1"))
      let two = try await context.service.send(ImageInspect.self, .init(image: "two:1"))
      #expect(one.layers == two.layers && one.configDigest != two.configDigest)
      for (name, expected) in [("one:1", "one\n"), ("two:1", "evil\ntwo\n"), ("one:1", "one\n")] {
        _ = try await context.build("FROM \(name)\nRUN echo $WHO > /who", references: ["made:1"])
        let seen = try await context.service.run("made:1", ["sh", "-c", "cat /evil /who 2> /dev/null"])
        #expect(seen.stdout == expected, "\(name)")
      }
      let plain = try await context.build(layers, references: ["plain:1"])
      #expect(plain.areAllCached)
      #expect(try await !context.service.run("plain:1", ["env"]).stdout.contains("WHO"))
    }
  }
}
