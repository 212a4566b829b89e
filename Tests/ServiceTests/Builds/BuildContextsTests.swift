import Foundation
import RPCModel
import RPCTransport
import TestSupport
import Testing

@Suite("Named contexts of builds")
struct BuildContextsTests {
  @Test("a directory, without what it ignores, begins a stage and serves COPY", arguments: Account.available)
  func directory(account: Account) async throws {
    try await withBuildContext(account) { context in
      try await context.script(
        "mkdir -p other/etc; echo x > other/etc/x; echo no > other/no; echo no > other/.dockerignore")
      let file =
        "FROM other AS own\nCOPY src/a /a\nFROM busybox:1\nCOPY --from=0 / /0\nCOPY --from=second / /1"
      let contexts = ["other": context.path("other"), "second": context.path("other")]
      let built = try await context.build(file, references: ["d:1"]) { $0.contexts = contexts }
      let seen = try await context.service.run("d:1", ["sh", "-c", "cd /; find 0 1 -type f | sort"])
      #expect(seen.stdout == "0/.dockerignore\n0/a\n0/etc/x\n1/.dockerignore\n1/etc/x\n")
      let again = try await context.build(file) { $0.contexts = contexts }
      #expect(again.areAllCached && again.image.digest == built.image.digest)
      try await context.script("echo y > other/etc/x")
      let changed = try await context.explain(file) { $0.contexts = contexts }
      #expect(changed[0].instruction == "FROM other AS own" && !changed[0].cached)
      #expect(changed[0].reasons == ["etc/x has other content"])
    }
  }

  @Test(
    "a Dockerfile that is elsewhere has its own name and its own .dockerignore", arguments: Account.available)
  func elsewhere(account: Account) async throws {
    try await withBuildContext(account) { context in
      try await context.script(
        """
        printf 'FROM busybox:1\\nCOPY . /c\\nRUN ls /c /c/src && false\\n' > prod.Dockerfile
        echo src/a > prod.Dockerfile.dockerignore; echo src/b > context/prod.Dockerfile.dockerignore
        """)
      let failed = try await context.store.runProgram(
        "coracle-repl",
        ["-c", "build --network none -f \(context.path("prod.Dockerfile")) \(context.path)"])
      #expect(failed.status != .exited(0))
      #expect(failed.errorText.contains("prod.Dockerfile:3:1: RUN: "), "\(failed.errorText)")
      // Only `src/b` was there.
      let file = "FROM busybox:1\nCOPY . /c"
      for (text, names) in [
        ("src/a", "b\nprod.Dockerfile.dockerignore\nsrc\n"),
        (nil, "a\nb\nprod.Dockerfile.dockerignore\nsrc\n"),
      ] {
        _ = try await context.build(file, references: ["i:1"]) {
          $0.file = "prod.Dockerfile"
          $0.dockerignore = text
        }
        let seen = try await context.service.run("i:1", ["sh", "-c", "cd /c; (ls; ls src) | sort"])
        #expect(seen.stdout == names)
      }
    }
  }

  @Test(
    "one of a stage's name is that stage, and none of its instructions is carried out",
    arguments: Account.available)
  func stages(account: Account) async throws {
    try await withBuildContext(account) { context in
      try await context.script("mkdir other; echo x > other/x")
      _ = try await context.build(
        "FROM busybox:1\nRUN echo image > /x\nONBUILD RUN echo trigger >> /x", references: ["image:1"])
      let file = """
        FROM missing:1 AS unused
        RUN false
        FROM unused AS base
        RUN false
        FROM base AS next
        COPY src/a /a
        FROM busybox:1
        COPY --from=next / /next
        COPY --from=1 /x /one
        RUN --mount=from=base,source=/x,target=/m cat /m > /mounted
        """
      for (place, text) in [
        (context.path("other"), "x\nx\nx\none\n"),
        ("docker-image://image:1", "image\ntrigger\nimage\nimage\none\n"),
      ] {
        let built = try await context.build(file, references: ["r:1"]) { $0.contexts = ["base": place] }
        #expect(!built.steps.contains { $0.instruction == "RUN false" })
        let seen = try await context.service.run("r:1", ["cat", "/next/x", "/one", "/mounted", "/next/a"])
        #expect(seen.stdout == text, "\(seen.stderr)")
        let again = try await context.build(file) { $0.contexts = ["base": place] }
        #expect(again.areAllCached && again.image.digest == built.image.digest)
      }
      // It may be what is built.
      let whole = try await context.build(file) {
        $0.contexts = ["base": context.path("other")]
        $0.target = "base"
      }
      #expect(whole.image.layerCount == 1 && whole.steps.map(\.number) == [3])
    }
  }

  @Test("an OCI image layout, by its tag, its digest or alone", arguments: Account.available)
  func layout(account: Account) async throws {
    try await withBuildContext(account) { context in
      var params = context.params("FROM busybox:1\nRUN echo inner > /inner", references: ["inner:1"])
      params.outputs = [.init(type: .oci, path: context.path("layout"), directory: true)]
      let inner = try await context.service.send(BuildStart.self, params)
      let file = "FROM base\nRUN cat /inner > /outer\nCOPY --from=base /inner /copied"
      var digests: Set<String> = []
      for place in ["layout", "layout:1", "layout@\(inner.image.digest)"] {
        let built = try await context.build(file) {
          $0.contexts = ["base": "oci-layout://\(context.path(place))"]
        }
        digests.insert(built.image.digest)
      }
      #expect(digests.count == 1)
      let seen = try await context.service.run(try #require(digests.first), ["cat", "/outer", "/copied"])
      #expect(seen.stdout == "inner\ninner\n")
      for (place, kind) in [
        ("oci-layout://\(context.path("layout:2"))", ErrorKind.notFound),
        ("oci-layout://\(context.path("nowhere"))", .notFound), ("ftp://example.invalid/x", .unsupported),
      ] {
        let error = try await context.failure(file) { $0.contexts = ["base": place] }
        #expect(error.data?.kind == kind, "\(place): \(error.message)")
      }
    }
  }

  @Test("what ONBUILD adds to a stage that is not the last is told of, and hides nothing")
  func triggers() async throws {
    try await withBuildContext(try #require(Account.available.first)) { context in
      _ = try await context.build("FROM busybox:1\nONBUILD RUN echo 1 > /one", references: ["base:1"])
      let built = try await context.build(
        "FROM base:1 AS a\nRUN cat /one > /two\nFROM busybox:1\nCOPY --from=a /two /\nENV A=1")
      #expect(
        built.steps.map(\.instruction) == [
          "FROM base:1 AS a", "RUN echo 1 > /one", "RUN cat /one > /two", "FROM busybox:1",
          "COPY --from=a /two /", "ENV A=1",
        ])
      // No two have the same, and the file's own keep theirs.
      #expect(built.steps.map(\.number) == [1, 6, 2, 3, 4, 5])
    }
  }

  @Test("context/list says what is left out, and by which rule")
  func listed() async throws {
    try await withBuildContext(try #require(Account.available.first)) { context in
      try await context.script("printf 'src\\n!src/b\\n' > context/.dockerignore; echo d > context/docs")
      let answer = try await context.service.send(
        ContextList.self, .init(path: context.path))
      let rules = Dictionary(uniqueKeysWithValues: answer.entries.map { ($0.path, $0.ignoredBy) })
      #expect(rules["src/a"] == ".dockerignore:1: src")
      #expect(rules["src/b"] == .some(nil) && rules["docs"] == .some(nil))
    }
  }

  @Test("a context that comes as a stream, and a Dockerfile that comes as text", arguments: Account.available)
  func stream(account: Account) async throws {
    try await withBuildContext(account) { context in
      try await context.script(
        "echo 'FROM busybox:1\nCOPY src/a /a' > context/Dockerfile; tar -C context -czf context.tgz .")
      let bytes = [UInt8](
        try Data(contentsOf: URL(filePath: context.store.directory.appending("context.tgz").string)))
      let sender = context.service.process.connection.sender()
      let feeding = Task {
        _ = try await sender.send(bytes)
        await sender.close()
      }
      let built = try await context.service.send(
        BuildStart.self, .init(contextStream: sender.id, references: ["s:1"]))
      try await feeding.value
      #expect(built.steps.count == 2)
      let seen = try await context.service.run("s:1", ["cat", "/a"])
      #expect(seen.stdout == "one\n")
    }
  }

  @Test("a context that is sent is sent whole, secrets of any bytes with it, or nothing is built of it")
  func sent() async throws {
    try await withBuildContext(try #require(Account.available.last)) { context in
      try await context.script(
        """
        printf 'FROM busybox:1\\nCOPY src /src\\nRUN --mount=type=secret,id=k cat /run/secrets/k | wc -c\\n' > context/Dockerfile
        printf 'a\\377\\000b' > secret
        """)
      let coracle = try Programs.directory.get().appending("coracle").string
      func build(_ name: String) async throws -> ChildProcess.Result {
        try await context.store.runProgram(
          "coracle-repl",
          [
            "--server", "\(coracle) serve", "-c",
            "build --network none --secret id=k,src=\(context.store.directory)/secret -t \(name) \(context.path)",
          ])
      }
      let whole = try await build("whole:1")
      #expect(whole.status == .exited(0) && whole.text.contains("#3 4\n"), "\(whole.text) \(whole.errorText)")
      try await context.script("chmod 000 context/src/a")
      let part = try await build("part:1")
      #expect(part.status == .exited(1) && part.errorText.contains("tar could not read"), "\(part.errorText)")
      let images = try await context.service.send(ImageList.self, .init()).images.flatMap(\.references)
      #expect(!images.contains("docker.io/library/part:1"))
    }
  }

  @Test("names are compared in lower case; one that nothing names is told of, with what may be meant")
  func names() async throws {
    try await withBuildContext(try #require(Account.available.first)) { context in
      let file = "FROM missing:1 AS Base\nRUN false\nFROM busybox:1\nCOPY --from=BASE a /a"
      let built = try await context.build(file) { $0.contexts = ["BAse": context.path("context/src")] }
      #expect(built.requestWarnings == nil && built.steps.count == 3)
      let plain = "FROM busybox:1 AS base\nFROM base"
      let contexts = ["bsae": context.path("context/src"), "other": context.path("context")]
      let expected = [
        "nothing takes files from the context bsae: did you mean base?",
        "nothing takes files from the context other",
      ]
      let warned = try await context.build(plain) { $0.contexts = contexts }
      #expect(warned.requestWarnings == expected, "\(warned.requestWarnings ?? [])")
      var description = BuildDescription(dockerfile: plain, network: "none", contexts: contexts)
      let explained = try await context.service.send(BuildExplain.self, .init(description))
      #expect(explained.requestWarnings == expected)
      // An image in another form of its name is used.
      description.contexts = ["docker.io/library/busybox": context.path("context/src")]
      let image = try await context.service.send(BuildExplain.self, .init(description))
      #expect(image.requestWarnings?.count == 1)
      description.contexts = ["docker.io/library/busybox:1": "docker-image://busybox:1"]
      description.arguments = ["BUILDKIT_MULTI_PLATFORM": "1"]
      let index = try await context.service.send(BuildExplain.self, .init(description))
      #expect(
        index.requestWarnings?.count == 1 && index.requestWarnings?[0].contains("no index") == true,
        "\(index.requestWarnings ?? [])")
    }
  }

  @Test("an image layout that has become another one is what explain tells of")
  func changedLayout() async throws {
    try await withBuildContext(try #require(Account.available.first)) { context in
      func layout(_ text: String) async throws -> String {
        try await context.script("rm -rf layout")
        var params = context.params("FROM busybox:1\nRUN echo \(text) > /inner", references: ["inner:1"])
        params.outputs = [.init(type: .oci, path: context.path("layout"), directory: true)]
        return try await context.service.send(BuildStart.self, params).image.digest
      }
      let file = "FROM base\nRUN cat /inner > /outer"
      let place = "oci-layout://\(context.path("layout"))"
      let first = try await layout("one")
      _ = try await context.build(file) { $0.contexts = ["base": place] }
      let second = try await layout("two")
      let changed = try await context.explain(file) { $0.contexts = ["base": place] }
      let reason = "\(place) was \(first) and is \(second)"
      #expect(changed[0].reasons == [reason], "\(changed[0].reasons ?? [])")
      #expect(changed[1].reasons == [reason], "\(changed[1].reasons ?? [])")
    }
  }
}
