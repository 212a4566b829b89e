import OCIModel
import RPCModel
import SystemPackage
import TestSupport
import Testing

@Suite("Blobs that are not the layers that their images say")
struct LiarTests {
  /// Runs `body` with an image that is in the store, and is served as `app:1`.
  private func withImage(
    _ body:
      @Sendable (TestStore, TestService, FaultyServer, ServedImage, [UInt8]) async throws -> Void
  ) async throws {
    try await withTestStore(try #require(Account.available.first)) { store in
      try await withFaultyServer { server in
        let tar = try await store.busyboxArchive().readAll()
        let image = try await ServedImage(tars: [tar])
        image.serve(on: server)
        let service = try await store.service()
        _ = try await service.send(ImagePull.self, .init(reference: "\(server.host)/app:1"))
        try await body(store, service, server, image, tar)
        #expect(await service.stop() == 0)
      }
    }
  }

  private static let garbage = Array("this is no archive at all".utf8)

  @Test(
    "one is refused also where the layer is there already: pulled, loaded, or in the store for another image")
  func refused() async throws {
    try await withImage { store, service, server, image, tar in
      let diffID = Digest(of: tar)
      func refused<Request: RPCRequest>(_ type: Request.Type, _ params: Request.Params) async {
        let error = await #expect(throws: RPCError.self) { try await service.send(type, params) }
        #expect(error?.data?.kind == .digestMismatch, "\(error?.message ?? "")")
        #expect(error?.data?.retriable == false)
      }
      let liar = try await ServedImage(layers: [Self.garbage], diffIDs: [diffID])
      liar.serve(on: server, as: "liar")
      await refused(ImagePull.self, .init(reference: "\(server.host)/liar:1"))
      // A blob that is in the store, and is the layer of another image.
      let other = try await store.busyboxArchive("echo other > other").readAll()
      let honest = try await ServedImage(tars: [other])
      honest.serve(on: server, as: "other")
      _ = try await service.send(ImagePull.self, .init(reference: "\(server.host)/other:1"))
      try await ServedImage(layers: honest.layers, diffIDs: [diffID]).serve(on: server, as: "crossed")
      await refused(ImagePull.self, .init(reference: "\(server.host)/crossed:1"))

      let layout = store.directory.appending("layout")
      let script = #"""
        import hashlib, json, os, sys
        target, manifest, config, layer = sys.argv[1:5]
        os.makedirs(target + "/blobs/sha256")
        for name in (manifest, config, layer):
          data = open(name, "rb").read()
          open(target + "/blobs/sha256/" + hashlib.sha256(data).hexdigest(), "wb").write(data)
        data = open(manifest, "rb").read()
        json.dump({"schemaVersion": 2, "manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json",
          "digest": "sha256:" + hashlib.sha256(data).hexdigest(), "size": len(data),
          "annotations": {"org.opencontainers.image.ref.name": "liar:1"}}]}, open(target + "/index.json", "w"))
        """#
      let files = try [liar.manifest, liar.config, Self.garbage].enumerated().map { index, bytes in
        let path = store.directory.appending("file\(index)")
        try path.write(bytes)
        return path.string
      }
      let made = try await ChildProcess.run(["python3", "-c", script, layout.string] + files)
      #expect(made.succeeded, "\(made.errorText)")
      await refused(ImageLoad.self, .init(path: layout.string))

      let found = try await service.send(ImageVerify.self, .init())
      #expect(found.problems.isEmpty && found.images == 2, "\(found.problems)")
    }
  }

  @Test("another compression of a layer is taken for it, and read once for that")
  func otherCompression() async throws {
    try await withImage { store, service, server, image, tar in
      let diffID = Digest(of: tar)
      // As it is.
      try await ServedImage(layers: [tar], diffIDs: [diffID]).serve(on: server, as: "plain")
      let name = "\(server.host)/plain:1"
      let first = try await service.send(ImagePull.self, .init(reference: name))
      #expect(first.layers.map(\.outcome) == [.fetched])
      let second = try await service.send(ImagePull.self, .init(reference: name))
      #expect(second.layers.map(\.outcome) == [.present])
      let trees = try await ChildProcess.run(["ls", store.store.appending("layers").string])
      #expect(trees.text == "\(diffID.hex)\n")
      let found = try await service.send(ImageVerify.self, .init())
      #expect(found.problems.isEmpty && found.layers == 1 && found.blobs == 5, "\(found)")
    }
  }

  @Test("one that is in the store all the same is a problem of its own, and the verification goes on")
  func verified() async throws {
    try await withImage { store, service, server, image, tar in
      let diffID = Digest(of: tar)
      let other = try await store.busyboxArchive("echo other > other").readAll()
      try await ServedImage(tars: [other]).serve(on: server, as: "other")
      let name = "\(server.host)/other:1"
      _ = try await service.send(ImagePull.self, .init(reference: name))
      let config = Digest(of: image.config)
      // As an older version might have left it: a configuration where the layer should be.
      let script = #"""
        import json, sqlite3, sys
        database, digest, size, name = sys.argv[1:5]
        db = sqlite3.connect(database)
        (image,) = db.execute("SELECT manifestDigest FROM tags WHERE reference = ?", (name,)).fetchone()
        (text,) = db.execute("SELECT layers FROM images WHERE manifestDigest = ?", (image,)).fetchone()
        layers = json.loads(text)
        layers[0]["descriptor"].update(digest=digest, size=int(size))
        db.execute("UPDATE images SET layers = ? WHERE manifestDigest = ?", (json.dumps(layers), image))
        db.commit()
        """#
      let database = store.store.appending("db.sqlite").string
      let made = try await ChildProcess.run([
        "python3", "-c", script, database, config.description, "\(image.config.count)", name,
      ])
      #expect(made.succeeded, "\(made.errorText)")
      let change = "rm layers/\(diffID.hex)/diff/bin/ls"
      let damaged = try await ChildProcess.run(["sh", "-ec", change], workingDirectory: store.store)
      #expect(damaged.succeeded, "\(damaged.errorText)")
      let found = try await service.send(ImageVerify.self, .init())
      #expect(Set(found.problems.map(\.kind)) == [.blobUnfit, .treeDamaged], "\(found.problems)")
      let unfit = found.problems.first { $0.kind == .blobUnfit }
      #expect(unfit?.digest == config.description && unfit?.images.contains(name) == true)
      #expect(unfit?.repaired == false && unfit?.detail?.isEmpty == false)
      #expect(found.layers == 2)
      let shown = try await store.run(["coracle", "repl", "-c", "verify"])
      #expect(shown.text.contains("is not the layer that its image says"), "\(shown.text)\(shown.errorText)")
    }
  }
}
