import Foundation
import OCIModel
import RPCModel
import RPCTransport
import SystemPackage
import TestSupport
import Testing

@Suite("What registries refuse, and who keeps passwords for them")
struct RegistryRefusalTests {
  /// What each answer of a registry means, to whatever request.
  @Test(
    "an answer of a registry is one kind of error, whatever asked for it",
    arguments: [
      (401, ErrorKind.unauthorized), (404, .notFound), (405, .unsupported), (400, .invalidArgument),
    ])
  func answers(status: Int, kind: ErrorKind) async throws {
    try await withBusyboxService(try #require(Account.available.first)) { store, service in
      try await withFaultyServer { server in
        let refusal = FaultyResponse(status: status)
        for path in ["/v2/", "/v2/app/manifests/1"] { server.on("GET", path, refusal) }
        server.on("POST", "/v2/app/blobs/uploads/", refusal)
        let name = "\(server.host)/app:1"
        await service.expect(kind, of: ImagePull.self, .init(reference: name))
        await service.expect(kind, of: ImagePush.self, .init(image: "busybox:1", destination: name))
        await service.expect(kind, of: ImagePushIndex.self, .init(images: ["busybox:1"], destination: name))
        await service.expect(
          kind, of: RegistryLogin.self, .init(registry: server.host, user: "ali", password: "sesame"))
        await service.expect(kind, of: BuildStart.self, .init(dockerfile: "FROM \(name)\n"))
        await service.expect(kind, of: BuildVerify.self, .init(dockerfile: "FROM \(name)\n"))
      }
    }
  }

  @Test("a registry that is not there")
  func unreachable() async throws {
    try await withBusyboxService(try #require(Account.available.first)) { _, service in
      // Nobody listens on it: to take it, one has to be root.
      let name = "127.0.0.1:1/app:1"
      await service.expect(.unreachable, of: ImagePull.self, .init(reference: name))
      await service.expect(.unreachable, of: ImagePush.self, .init(image: "busybox:1", destination: name))
      await service.expect(
        .unreachable, of: ImagePushIndex.self, .init(images: ["busybox:1"], destination: name))
      await service.expect(
        .unreachable, of: RegistryLogin.self, .init(registry: "127.0.0.1:1", user: "ali", password: "sesame"))
      await service.expect(.unreachable, of: BuildStart.self, .init(dockerfile: "FROM \(name)\n"))
      await service.expect(.unreachable, of: BuildVerify.self, .init(dockerfile: "FROM \(name)\n"))
    }
  }

  @Test("a registry that confirms another digest than what it was sent")
  func wrongDigest() async throws {
    try await withBusyboxService(try #require(Account.available.first)) { _, service in
      try await withFaultyServer { server in
        let image = try await service.send(ImageInspect.self, .init(image: "busybox:1"))
        // It has all blobs already.
        for digest in [image.configDigest] + image.layers.map(\.digest) {
          server.on("HEAD", "/v2/app/blobs/\(digest)", FaultyResponse())
        }
        let wrong = Digest(of: "something else".utf8).description
        let taken = FaultyResponse(status: 201, fields: ["Docker-Content-Digest": wrong])
        for name in ["1", image.image.digest] { server.on("PUT", "/v2/app/manifests/\(name)", taken) }
        let name = "\(server.host)/app:1"
        await service.expect(
          .digestMismatch, of: ImagePush.self, .init(image: "busybox:1", destination: name))
        await service.expect(
          .digestMismatch, of: ImagePushIndex.self, .init(images: ["busybox:1"], destination: name))
      }
    }
  }

  @Test("a helper for passwords that is not there, and one that fails")
  func helpers() async throws {
    try await withTestStore(try #require(Account.available.first)) { store in
      try await withFaultyServer { server in
        server.on("GET", "/v2/", FaultyResponse(body: "{}".utf8))
        _ = try await ChildProcess.run(["mkdir", store.directory.appending(".docker").string])
        try store.directory.appending(".docker/config.json").write(#"{"credsStore":"box"}"#.utf8)
        let service = try await store.service(path: "\(store.directory):/usr/bin:/bin")
        let login = RegistryLogin.Params(registry: server.host, user: "ali", password: "sesame")
        await service.expect(.notFound, of: RegistryLogin.self, login)
        await service.expect(.notFound, of: RegistryLogout.self, .init(registry: server.host))
        let helper = store.directory.appending("docker-credential-box")
        try helper.write("#!/bin/sh\necho locked >&2\nexit 1\n".utf8)
        _ = try await ChildProcess.run(["chmod", "755", helper.string])
        await service.expect(.unauthorized, of: RegistryLogin.self, login)
        await service.expect(.unauthorized, of: RegistryLogout.self, .init(registry: server.host))
        await service.expect(.invalidArgument, of: RegistryLogout.self, .init(registry: "has space"))
        #expect(await service.stop() == 0)
      }
    }
  }
}
