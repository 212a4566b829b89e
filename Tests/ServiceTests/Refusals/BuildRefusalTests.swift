import Foundation
import OCIModel
import RPCModel
import RPCTransport
import TestSupport
import Testing

@Suite("Builds that are refused")
struct BuildRefusalTests {
  @Test("what a build is refused for, an explanation and a comparison are refused for too")
  func descriptions() async throws {
    try await withBuildContext(try #require(Account.available.first)) { context in
      let service = context.service
      let directory = context.path("context")
      func expect(_ kind: ErrorKind, _ description: BuildDescription) async {
        await service.expect(kind, of: BuildStart.self, BuildStart.Params(description))
        await service.expect(kind, of: BuildExplain.self, BuildExplain.Params(description))
        await service.expect(kind, of: BuildVerify.self, BuildVerify.Params(description))
      }
      await expect(.invalidArgument, .init(dockerfile: "NONSENSE\n"))
      await expect(.invalidArgument, .init(context: "somewhere", dockerfile: "FROM scratch\n"))
      await expect(.notFound, .init(context: context.path("none")))
      await expect(.notFound, .init(context: directory, file: "none"))
      await expect(
        .unsupported, .init(dockerfile: "FROM scratch\n", contexts: ["x": "ftp://example.invalid/x"]))
      await expect(
        .permissionDenied,
        .init(dockerfile: "# syntax=docker/dockerfile:1-labs\nFROM busybox:1\nRUN --security=insecure true\n")
      )
      await service.expect(
        .notFound, of: BuildVerify.self, .init(dockerfile: "FROM busybox:1\n", image: "nosuch"))
    }
  }

  @Test("what only carrying it out shows, a build and a comparison both show")
  func outcomes() async throws {
    try await withBuildContext(try #require(Account.available.first)) { context in
      let service = context.service
      try await withFaultyServer { server in
        server.on("GET", "/file", FaultyResponse(body: "contents".utf8))
        let other = Digest(of: "other contents".utf8)
        for (kind, lines) in [
          (ErrorKind.buildFailed, "RUN false"), (.conflict, "WORKDIR /bin/busybox/x"),
          (.digestMismatch, "ADD --checksum=\(other) http://\(server.host)/file /"),
        ] {
          let description = BuildDescription(
            context: context.path("context"), dockerfile: "FROM busybox:1\n\(lines)\n", network: "none")
          await service.expect(kind, of: BuildStart.self, BuildStart.Params(description))
          await service.expect(kind, of: BuildVerify.self, BuildVerify.Params(description))
        }
      }
      _ = try await context.output("mkdir full; touch full/x")
      await service.expect(
        .alreadyExists, of: BuildStart.self,
        .init(dockerfile: "FROM busybox:1\n", outputs: [.init(type: .local, path: context.path("full"))]))
    }
  }

  @Test("a context that comes as a stream and is no archive")
  func contextStream() async throws {
    try await withBuildContext(try #require(Account.available.first)) { context in
      let service = context.service
      func expect<Request: RPCRequest>(
        _ type: Request.Type, _ params: (BuildDescription) -> Request.Params
      ) async throws {
        let sender = service.process.connection.sender()
        let feeding = Task {
          _ = try await sender.send(Array(repeating: 0x78, count: 4096))
          await sender.close()
        }
        await service.expect(.corrupt, of: type, params(.init(contextStream: sender.id)))
        feeding.cancel()
      }
      try await expect(BuildStart.self) { .init($0) }
      try await expect(BuildExplain.self) { .init($0) }
      try await expect(BuildVerify.self) { .init($0) }
    }
  }

  @Test("a context that is listed and is none")
  func listing() async throws {
    try await withTestStore(try #require(Account.available.first)) { store in
      let service = try await store.service()
      await service.expect(.invalidArgument, of: ContextList.self, .init(path: "somewhere"))
      await service.expect(
        .notFound, of: ContextList.self, .init(path: store.directory.appending("none").string))
      #expect(await service.stop() == 0)
    }
  }
}
