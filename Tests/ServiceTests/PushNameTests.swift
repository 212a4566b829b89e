import OCIModel
import RPCModel
import TestSupport
import Testing

@Suite("Where a push goes")
struct PushNameTests {
  @Test("a digest alone names no repository; a name has to be the image's own, with its own digest")
  func names() async throws {
    try await withTestStore(try #require(Account.available.first)) { store in
      try await withFaultyServer { server in
        let image = try await ServedImage(store)
        image.serve(on: server)
        let service = try await store.service()
        let name = "\(server.host)/app:1"
        let digest = try await service.send(ImagePull.self, .init(reference: name)).image.digest
        let asked = server.requests.count
        for given in [digest, String(digest.dropFirst("sha256:".count).prefix(12))] {
          let error = await #expect(throws: RPCError.self) {
            try await service.send(ImagePush.self, .init(image: given))
          }
          #expect(error?.data?.kind == .invalidArgument, "\(error?.message ?? "")")
          #expect(error?.data?.hint == "give a destination, or push it by its name \(name)")
        }
        let other = Digest(of: "other".utf8)
        let error = await #expect(throws: RPCError.self) {
          try await service.send(
            ImagePush.self, .init(image: name, destination: "\(server.host)/app@\(other)"))
        }
        #expect(error?.data?.kind == .digestMismatch && error?.data?.hint == "push it to a tag")
        #expect(server.requests.count == asked)
        #expect(await service.stop() == 0)
      }
    }
  }

  @Test("a name with the image's own digest is one")
  func ownDigest() async throws {
    try await withTestStore(try #require(Account.available.first)) { store in
      try await withDockerRegistry { registry in
        let service = try await store.service()
        let digest = try await service.importBusybox(store).digest
        let name = "\(registry.host)/app@\(digest)"
        let pushed = try await service.send(ImagePush.self, .init(image: name))
        #expect(pushed.digest == digest && pushed.reference == name)
        #expect(try await service.send(ImagePull.self, .init(reference: name)).image.digest == digest)
        #expect(await service.stop() == 0)
      }
    }
  }
}
