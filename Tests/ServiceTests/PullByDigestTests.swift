import OCIModel
import RPCModel
import TestSupport
import Testing

@Suite("Images that are pulled by a digest")
struct PullByDigestTests {
  /// Runs `body` with a service and a server that has busybox as `app:1`, and an index that leads to it.
  private func withIndex(
    _ account: Account,
    _ body:
      @Sendable (TestService, FaultyServer, _ manifest: OCIModel.Digest, _ index: OCIModel.Digest)
      async throws -> Void
  ) async throws {
    try await withTestStore(account) { store in
      try await withFaultyServer { server in
        let image = try await ServedImage(store)
        image.serve(on: server)
        let manifest = OCIModel.Digest(of: image.manifest)
        let index = Array(
          """
          {"schemaVersion":2,"mediaType":"\(MediaType.ociIndex)","manifests":[
           {"mediaType":"\(MediaType.ociManifest)","digest":"\(manifest)","size":\(image.manifest.count),
            "platform":{"architecture":"\(OCIModel.Platform.host.architecture)","os":"linux"}}]}
          """.utf8)
        server.on("GET", "/v2/app/manifests/\(manifest)", .manifest(image.manifest))
        let answer = FaultyResponse.manifest(index, mediaType: MediaType.ociIndex)
        server.on("GET", "/v2/app/manifests/\(OCIModel.Digest(of: index))", answer)
        let service = try await store.service()
        try await body(service, server, manifest, OCIModel.Digest(of: index))
        #expect(await service.stop() == 0)
      }
    }
  }

  @Test(
    "the digest of an index, or of a manifest, names the image afterwards, with its repository and without",
    arguments: Account.available)
  func names(account: Account) async throws {
    try await withIndex(account) { service, server, manifest, index in
      for digest in [index, manifest] {
        let name = "\(server.host)/app@\(digest)"
        let pulled = try await service.send(ImagePull.self, .init(reference: name)).image
        #expect(pulled.digest == manifest.description && pulled.references == [name])
        let run = try await service.run(name, ["echo", "named"]) { $0.autoRemove = true }
        #expect(run.stdout == "named\n")
        for other in [
          name, digest.description, String(digest.hex.prefix(12)), "\(server.host)/app:none@\(digest)",
        ] {
          let found = try await service.send(ImageInspect.self, .init(image: other)).image
          #expect(found.digest == manifest.description, "\(other)")
        }
        #expect(try await service.send(ImageList.self, .init()).images.map(\.references) == [[name]])
        // It has a name, and so nothing of it is unneeded.
        let plan = try await service.send(SystemPrune.self, .init())
        #expect(plan.items.isEmpty, "\(plan.items)")

        // A digest always leads to the same: nobody is asked again.
        let asked = server.requests.count
        let again = try await service.send(ImagePull.self, .init(reference: name))
        #expect(again.layers.map(\.outcome) == [.present] && server.requests.count == asked)

        _ = try await service.send(ImageTag.self, .init(image: name, reference: "kept:1"))
        let untagged = try await service.send(ImageRemove.self, .init(image: name))
        #expect(untagged.untagged == [name] && untagged.deleted.isEmpty)
        let gone = try await service.send(ImageRemove.self, .init(image: "kept:1"))
        #expect(gone.deleted == [manifest.description])
        let error = await #expect(throws: RPCError.self) {
          try await service.send(ImageInspect.self, .init(image: name))
        }
        #expect(error?.data?.kind == .notFound)
      }
    }
  }

  @Test("a tag and a digest together are two names, which go together")
  func both() async throws {
    try await withIndex(try #require(Account.available.first)) { service, server, manifest, index in
      let (tag, digest) = ("\(server.host)/app:1", "\(server.host)/app@\(index)")
      let name = "\(tag)@\(index)"
      let pulled = try await service.send(ImagePull.self, .init(reference: name)).image
      #expect(pulled.references == [tag, digest])
      let removed = try await service.send(ImageRemove.self, .init(image: name))
      #expect(removed.untagged.sorted() == [tag, digest] && removed.deleted == [manifest.description])
    }
  }

  @Test("another platform is looked for where the image that is there is for this one")
  func otherPlatform() async throws {
    try await withIndex(try #require(Account.available.first)) { service, server, manifest, index in
      let name = "\(server.host)/app@\(index)"
      _ = try await service.send(ImagePull.self, .init(reference: name))
      let error = await #expect(throws: RPCError.self) {
        try await service.send(ImagePull.self, .init(reference: name, platform: "linux/s390x"))
      }
      #expect(error?.data?.kind == .notFound)
    }
  }

  @Test("the digest that an archive calls an image by is not believed")
  func archived() async throws {
    try await withTestStore(try #require(Account.available.first)) { store in
      let service = try await store.service()
      _ = try await service.importBusybox(store)
      let layout = store.directory.appending("layout")
      _ = try await service.send(
        ImageSave.self, .init(images: ["busybox:1"], path: layout.string, format: .directory))
      let digest = "sha256:" + String(repeating: "a", count: 64)
      let change =
        "sed -i 's|docker.io/library/busybox:1|docker.io/library/other@\(digest)|g' \(layout)/index.json; chmod -R a+rX \(layout)"
      #expect(try await ChildProcess.run(["sh", "-ec", change]).succeeded)
      _ = try await service.send(ImageLoad.self, .init(path: layout.string))
      let error = await #expect(throws: RPCError.self) {
        try await service.send(ImageInspect.self, .init(image: "other@\(digest)"))
      }
      #expect(error?.data?.kind == .notFound)
      #expect(await service.stop() == 0)
    }
  }
}
