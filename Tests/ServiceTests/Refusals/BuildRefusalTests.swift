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

  @Test(
    "bad input: a typed error with file, line and column, and nothing half done", arguments: Account.available
  )
  func refuses(account: Account) async throws {
    try await withBuildContext(account) { context in
      try await context.script(
        "ln -s /etc/passwd context/out; ln -s ../../../etc context/up; echo '*.log' > context/.dockerignore; echo > context/x.log"
      )
      let cases: [(file: String, kind: ErrorKind, message: String)] = [
        ("FROM busybox:1\nRUNN x", .invalidArgument, "Dockerfile:2:1: unknown instruction RUNN"),
        (
          "FROM busybox:1\nCOPY nope /", .invalidArgument,
          "Dockerfile:2:6: COPY: there is no 'nope' in the context"
        ),
        (
          "FROM busybox:1\nCOPY ../x /", .invalidArgument,
          "Dockerfile:2:6: COPY: '../x' is outside of the context"
        ),
        ("FROM busybox:1\nCOPY x.log /", .invalidArgument, "'x.log' is left out of the context"),
        // Links lead to the context's own /etc, which it has not.
        ("FROM busybox:1\nCOPY out /", .invalidArgument, "there is no 'out' in the context"),
        ("FROM busybox:1\nCOPY up/passwd /", .invalidArgument, "there is no 'up/passwd' in the context"),
        (
          "FROM busybox:1 AS a\nCOPY --from=b / /\nFROM busybox:1 AS b\nCOPY --from=a / /", .invalidArgument,
          "Dockerfile:2:6: the stage b comes only later"
        ),
        (
          "FROM busybox:1\nRUN --mount=type=secret,id=k,required cat", .invalidArgument,
          "the secret k is not given"
        ),
        ("FROM busybox:1\nRUN --network=host true", .permissionDenied, "the host's network is not given"),
        (
          "FROM busybox:1\nRUN --security=insecure true", .permissionDenied,
          "Dockerfile:2:1: RUN: --security=insecure"
        ),
        (
          "FROM busybox:1\nADD git://example.invalid/x.git#-y /", .invalidArgument,
          "Dockerfile:2:5: ADD: '-y' is not the name"
        ),
        (
          "FROM busybox:1\nRUN --mount=type=ssh,required true", .invalidArgument,
          "the SSH agent default is not given"
        ),
        ("FROM busybox:1\nCOPY --chown=nobody src /", .invalidArgument, "the image has no user nobody"),
        ("FROM busybox:1\nWORKDIR /bin/busybox/x", .conflict, "/bin/busybox is in the way"),
        ("FROM busybox:1\nRUN nosuchprogram", .buildFailed, "failed with exit code 127"),
        ("FROM busybox:1\nRUN [\"/nope\"]", .buildFailed, "cannot execute /nope"),
      ]
      for (file, kind, message) in cases {
        let error = await #expect(throws: RPCError.self) {
          _ = try await context.build(file, references: ["bad:1"])
        }
        #expect(error?.data?.kind == kind, "\(file): \(error?.message ?? "")")
        #expect(error?.message.contains(message) == true, "\(file): \(error?.message ?? "")")
      }
      let failed = await #expect(throws: RPCError.self) {
        _ = try await context.build(
          "FROM busybox:1\nRUN seq 100; echo last >&2; exit 3", references: ["bad:1"])
      }
      #expect(failed?.message.contains("failed with exit code 3: seq 100") == true)
      #expect(failed?.data?.causes.last == "last" && failed?.data?.causes.count == 20)
      let images = try await context.service.send(ImageList.self, .init()).images
      #expect(images.count == 1)
      // All that those have left is a cache, which is as good as before.
      _ = try await context.build("FROM busybox:1\nCOPY src /", references: ["good:1"])
      let leftovers = try await context.service.send(
        SystemPrune.self, .init(kinds: [.content, .remains, .download]))
      #expect(leftovers.items.isEmpty, "\(leftovers.items)")
    }
  }

  @Test("what of a request is wrong by itself is told before anything is done, with what to do instead")
  func requests() async throws {
    try await withBuildContext(try #require(Account.available.first)) { context in
      try await context.script("cp -r context/src context/sub; echo 'FROM scratch' > context/Dockerfile")
      func refused(_ description: BuildDescription) async throws -> RPCError? {
        await #expect(throws: RPCError.self) {
          _ = try await context.service.send(BuildExplain.self, .init(description))
        }
      }
      let cases: [(BuildDescription, message: String, hint: String)] = [
        (
          .init(context: context.path("context/sub"), file: "../Dockerfile"), "outside of the context",
          "as dockerfile"
        ),
        (
          .init(context: context.path("context"), file: "sub/../.."), "outside of the context",
          "as dockerfile"
        ),
        (
          .init(dockerfile: "FROM scratch", arguments: ["A": "x\0y"]), "the build argument A has a NUL in it",
          "as a secret"
        ),
        (
          .init(dockerfile: "FROM scratch", arguments: ["BUILDKIT_SANDBOX_HOSTNAME": "a b"]),
          "BUILDKIT_SANDBOX_HOSTNAME is no host name", "64 bytes"
        ),
        (
          .init(context: "http://127.0.0.1:1/x.git?foo=1"),
          "the context http://127.0.0.1:1/x.git?foo=1: a git address has no foo", ""
        ),
        (
          .init(dockerfile: "FROM scratch\nHEALTHCHECK --interval=-5s CMD true"),
          "Dockerfile:2:13: --interval", "30s"
        ),
        (.init(dockerfile: "FROM scratch\nSTOPSIGNAL 99"), "Dockerfile:2:12: STOPSIGNAL: '99'", "SIGTERM"),
        (.init(dockerfile: "FROM x", contexts: ["x": "oci-layout:///nope"]), "", "oci-layout://PATH"),
      ]
      for (description, message, hint) in cases {
        let error = try await refused(description)
        #expect([.invalidArgument, .notFound].contains(error?.data?.kind), "\(error?.message ?? "")")
        #expect(message.isEmpty || error?.message.contains(message) == true, "\(error?.message ?? "")")
        #expect(
          hint.isEmpty || error?.data?.hint?.contains(hint) == true,
          "\(error?.message ?? ""): \(error?.data?.hint ?? "")")
      }
      let secret = try await context.failure("FROM busybox:1\nRUN --mount=type=secret,id=k,env=K true") {
        $0.secrets = [BuildSecret(id: "k", base64: "AAA=")]
      }
      #expect(secret.message.contains("the secret k has a NUL"), "\(secret.message)")
      #expect(secret.data?.hint?.contains("without env") == true)
      // A list says of a Dockerfile out of the context what a build says.
      await context.service.expect(
        .invalidArgument, of: ContextList.self,
        .init(path: context.path("context/sub"), file: "../Dockerfile"))
    }
  }

  @Test(
    "warnings that only images bring are errors where the file wants that, in a build, its explanation and its comparison"
  )
  func lateWarnings() async throws {
    try await withBuildContext(try #require(Account.available.first)) { context in
      let file = "FROM busybox:1\nENV A=$PAHT"
      let built = try await context.build(file, references: ["late:1"])
      #expect(built.warnings?.map(\.rule) == ["UndefinedVar"])
      let description = BuildDescription(
        context: context.path, dockerfile: "# check=error=true\n" + file, network: "none")
      let service = context.service
      await service.expect(.invalidArgument, of: BuildStart.self, .init(description))
      await service.expect(.invalidArgument, of: BuildExplain.self, .init(description))
      for image in [nil, "late:1"] {
        var params = BuildVerify.Params(description)
        params.image = image
        await service.expect(.invalidArgument, of: BuildVerify.self, params)
      }
    }
  }
}
