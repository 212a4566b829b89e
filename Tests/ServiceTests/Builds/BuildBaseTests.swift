import OCIModel
import RPCModel
import TestSupport
import Testing

@Suite("The images that stages of builds begin with")
struct BuildBaseTests {
  @Test("one that was changed is named, with what else is different since", arguments: Account.available)
  func changed(account: Account) async throws {
    try await withBuildContext(account) { context in
      let file = "FROM busybox:1\nCOPY src /src"
      _ = try await context.build(file)
      let before = try await context.service.send(ImageInspect.self, .init(image: "busybox:1")).image.digest
      let after = try await context.service.importBusybox(context.store, "touch other").digest
      let change = "busybox:1 was \(before) and is \(after)"
      let explained = try await context.explain(file)
      #expect(explained.map(\.cached) == [true, false])
      #expect(explained.map(\.reasons) == [[change], [change]])
      try await context.script("echo more > context/src/a")
      let both = try await context.explain(file)
      #expect(both[1].reasons == [change, "src/a has other content"])
      // Of another project's files nothing is said.
      _ = try await context.build("FROM busybox:1\nENV A=1\nCOPY src /src")
      try await context.script("echo else > context/src/a")
      let other = try await context.explain("FROM busybox:1\nENV B=1\nCOPY src /src")
      #expect(other[0].reasons == nil)
      _ = try await context.build(file)
      let settled = try await context.explain(file)
      #expect(settled.map(\.cached) == [true, true] && settled.allSatisfy { $0.reasons == nil })
    }
  }

  @Test("each platform's is its own, also where both are fetched at once, and neither is fetched again")
  func platforms() async throws {
    try await withTestStore(try #require(Account.available.first)) { store in
      try await withFaultyServer { server in
        let own = try await ServedImage(store)
        var other = own
        let host = OCIModel.Platform.host.architecture
        let foreign = host == "s390x" ? "arm64" : "s390x"
        other.use(config: String(decoding: own.config, as: UTF8.self).replacing(host, with: foreign))
        other.serve(on: server)
        own.serve(on: server)
        let manifests = [(own, host), (other, foreign)].map { image, architecture in
          let digest = OCIModel.Digest(of: image.manifest)
          server.on("GET", "/v2/app/manifests/\(digest)", .manifest(image.manifest))
          return """
            {"mediaType":"\(MediaType.ociManifest)","digest":"\(digest)","size":\(image.manifest.count),
             "platform":{"architecture":"\(architecture)","os":"linux"}}
            """
        }
        let index =
          #"{"schemaVersion":2,"mediaType":"\#(MediaType.ociIndex)","manifests":[\#(manifests.joined(separator: ","))]}"#
        server.on(
          "GET", "/v2/app/manifests/1", .manifest(Array(index.utf8), mediaType: MediaType.ociIndex))
        let context = BuildContext(store: store, service: try await store.service())
        try await context.script("mkdir context")
        let file = """
          FROM --platform=linux/\(foreign) \(server.host)/app:1 AS other
          ENV A=1
          FROM \(server.host)/app:1
          COPY --from=other /etc /etc2
          """
        for attempt in 1...2 {
          let asked = server.requests.count
          let built = try await context.build(file)
          #expect(built.image.platform == "linux/\(host)")
          let first = try await context.build(file) { $0.target = "other" }
          #expect(first.image.platform == "linux/\(foreign)")
          #expect(attempt == 1 || (server.requests.count == asked && built.areAllCached))
        }
        #expect(await context.service.stop() == 0)
      }
    }
  }
}
