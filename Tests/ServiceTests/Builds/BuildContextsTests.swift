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
        "FROM other AS other\nCOPY src/a /a\nFROM busybox:1\nCOPY --from=0 / /0\nCOPY --from=second / /1"
      let contexts = ["other": context.path("other"), "second": context.path("other")]
      let built = try await context.build(file, references: ["d:1"]) { $0.contexts = contexts }
      let seen = try await context.service.run("d:1", ["sh", "-c", "cd /; find 0 1 -type f | sort"])
      #expect(seen.stdout == "0/.dockerignore\n0/a\n0/etc/x\n1/.dockerignore\n1/etc/x\n")
      let again = try await context.build(file) { $0.contexts = contexts }
      #expect(again.areAllCached && again.image.digest == built.image.digest)
      try await context.script("echo y > other/etc/x")
      let changed = try await context.explain(file) { $0.contexts = contexts }
      #expect(!changed.allSatisfy { $0.cached })
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
    }
  }
}
