import OCIModel
import RPCModel
import SystemPackage
import TestSupport
import Testing

@Suite("A store that is damaged on the disk")
struct VerifyTests {
  /// Runs `body` with an image that came from a server, and that is whole.
  private func withImage(
    _ account: Account,
    _ body:
      @Sendable (TestStore, TestService, FaultyServer, String, ServedImage, OCIModel.Digest) async throws ->
      Void
  ) async throws {
    try await withTestStore(account) { store in
      try await withFaultyServer { server in
        let tar = try await store.busyboxArchive(
          "mkfifo pipe; ln -s bin link; ln bin/busybox hard; mkdir -p a/b; chmod 4711 bin/ls; echo x > a/b/c")
        let bytes = try tar.readAll()
        let image = try await ServedImage(tars: [bytes])
        image.serve(on: server)
        let service = try await store.service()
        let name = "\(server.host)/app:1"
        _ = try await service.send(ImagePull.self, .init(reference: name))
        let clean = try await service.send(ImageVerify.self, .init())
        #expect(clean.problems.isEmpty, "\(clean.problems)")
        #expect(clean.images == 1 && clean.blobs == 3 && clean.layers == 1 && clean.bytes > bytes.count)
        try await body(store, service, server, name, image, OCIModel.Digest(of: bytes))
        #expect(try await service.send(ImageVerify.self, .init(image: name)).problems.isEmpty)
        #expect(try await service.run(name, ["cat", "/a/b/c"]).stdout == "x\n")
        #expect(await service.stop() == 0)
      }
    }
  }

  private func shell(_ store: TestStore, _ script: String) async throws {
    let done = try await ChildProcess.run(["sh", "-ec", script], workingDirectory: store.store)
    #expect(done.succeeded, "\(done.errorText)")
  }

  @Test(
    "a flipped bit of a blob is found; the next pull fetches that blob alone", arguments: Account.available)
  func flippedBlob(account: Account) async throws {
    try await withImage(account) { store, service, server, name, image, diffID in
      let layer = OCIModel.Digest(of: image.layers[0])
      try await shell(
        store, flippingByte(of: "blobs/sha256/\(layer.hex)"))
      let found = try await service.send(ImageVerify.self, .init(image: name))
      #expect(found.problems.map(\.kind) == [.blobDamaged])
      #expect(found.problems.first?.digest == layer.description && found.problems.first?.images == [name])
      let again = try await service.send(ImageVerify.self, .init())
      #expect(again.problems.map(\.kind) == [.blobMissing])
      let error = await #expect(throws: RPCError.self) {
        try await service.send(ImageSave.self, .init(images: [name], path: "\(store.directory)/saved.tar"))
      }
      #expect(error?.data?.kind == .notFound && error?.data?.hint?.hasSuffix("pull the image again") == true)
      let asked = server.requests.count
      let pulled = try await service.send(ImagePull.self, .init(reference: name))
      #expect(pulled.layers.map(\.outcome) == [.fetched])
      #expect(
        server.requests.dropFirst(asked).map(\.target).filter { $0.contains("/blobs/") } == [
          "/v2/app/blobs/\(layer)"
        ])
    }
  }

  @Test(
    "where a blob and its tree are damaged, the pull that brings the blob back puts the tree right",
    arguments: Account.available)
  func both(account: Account) async throws {
    try await withImage(account) { store, service, server, name, image, diffID in
      let layer = OCIModel.Digest(of: image.layers[0])
      let blob = flippingByte(of: "blobs/sha256/\(layer.hex)")
      try await shell(store, "\(blob); echo y > layers/\(diffID.hex)/diff/a/b/c")
      let found = try await service.send(ImageVerify.self, .init(image: name))
      #expect(found.problems.map(\.kind) == [.blobDamaged])
      _ = try await service.send(ImagePull.self, .init(reference: name))
      #expect(try await service.run(name, ["cat", "/a/b/c"]).stdout == "x\n")
    }
  }

  private func blob(_ which: String, of image: ServedImage) -> OCIModel.Digest {
    OCIModel.Digest(
      of: which == "layer" ? image.layers[0] : which == "config" ? image.config : image.manifest)
  }

  @Test("a blob that was cut off is noticed by a pull itself", arguments: ["layer", "config", "manifest"])
  func cutOffBlob(which: String) async throws {
    let account = try #require(Account.available.first)
    try await withImage(account) { store, service, server, name, image, diffID in
      try await shell(store, "truncate -s 10 blobs/sha256/\(blob(which, of: image).hex)")
      _ = try await service.send(ImagePull.self, .init(reference: name))
    }
  }

  @Test("a pull that unpacks a blob with a flipped byte fetches it anew, without a verification")
  func flippedBlobWithoutTree() async throws {
    let account = try #require(Account.available.first)
    try await withImage(account) { store, service, server, name, image, diffID in
      let layer = OCIModel.Digest(of: image.layers[0])
      try await shell(store, "\(flippingByte(of: "blobs/sha256/\(layer.hex)")); rm -r layers/\(diffID.hex)")
      let pulled = try await service.send(ImagePull.self, .init(reference: name))
      #expect(pulled.layers.map(\.outcome) == [.fetched])
    }
  }

  @Test(
    "a document with a flipped byte is put right by a pull, without a verification",
    arguments: ["config", "manifest"])
  func flippedDocument(which: String) async throws {
    let account = try #require(Account.available.first)
    try await withImage(account) { store, service, server, name, image, diffID in
      try await shell(
        store,
        "printf X | dd of=blobs/sha256/\(blob(which, of: image).hex) bs=1 seek=9 conv=notrunc 2> /dev/null")
      let error = await #expect(throws: RPCError.self) {
        try await service.send(ImageSave.self, .init(images: [name], path: "\(store.directory)/saved.tar"))
      }
      #expect(error?.data?.kind == .corrupt)
      #expect(error?.data?.hint == "the disk has damaged it; verify the image, then pull it again")
      _ = try await service.send(ImagePull.self, .init(reference: name))
    }
  }

  @Test(
    "a tree that was changed is found and put right by its blob",
    arguments: [
      (
        "touch -r bin/busybox ../time; printf X | dd of=bin/busybox bs=1 seek=5000 conv=notrunc 2> /dev/null; touch -r ../time bin/busybox; rm ../time",
        "/bin/busybox: its content"
      ),
      ("rm a/b/c", "/a/b/c: it is missing"),
      ("echo more > a/new", "/a/new: there is no such file in the layer"),
      ("chmod 755 a/b/c", "/a/b/c: its permissions"), ("ln -sfn elsewhere link", "/link: "),
      ("rm pipe; mkdir pipe", "/pipe: it is a directory and not a fifo"),
      ("truncate -s 0 etc/passwd", "/etc/passwd: its size"),
    ])
  func changedTree(change: String, detail: String) async throws {
    let account = try #require(Account.available.first)
    try await withImage(account) { store, service, server, name, image, diffID in
      try await shell(store, "cd layers/\(diffID.hex)/diff; \(change)")
      let found = try await service.send(ImageVerify.self, .init())
      #expect(found.problems.map(\.kind) == [.treeDamaged] && found.problems.first?.repaired == true)
      #expect(found.problems.first?.detail?.hasPrefix(detail) == true, "\(found.problems)")
    }
  }

  @Test(
    "a tree that a container runs on stays until it has ended; one that is gone comes back",
    arguments: Account.available)
  func busyTree(account: Account) async throws {
    try await withImage(account) { store, service, server, name, image, diffID in
      let container = try await service.send(
        ContainerRun.self, .init(image: name, command: ["sleep", "1000"], detach: true)
      ).container
      try await shell(store, "chmod 700 layers/\(diffID.hex)/diff/a/b/c")
      let busy = try await service.send(ImageVerify.self, .init())
      #expect(busy.problems.map(\.repaired) == [false])
      #expect(try await service.exec(container.id, ["echo", "on"]).stdout == "on\n")
      _ = try await service.send(ContainerRemove.self, .init(container: container.id, force: true))
      #expect(try await service.send(ImageVerify.self, .init()).problems.map(\.repaired) == [true])
      try await shell(store, "rm -r layers/\(diffID.hex)")
      let missing = try await service.send(ImageVerify.self, .init())
      #expect(missing.problems.map(\.kind) == [.treeMissing] && missing.problems.map(\.repaired) == [true])
    }
  }

  @Test(
    "what only the cache of builds has is read too, and forgotten where it cannot be put right",
    arguments: ["blob", "tree", "no blob", "no tree", "neither"])
  func buildCache(which: String) async throws {
    try await withBuildContext(try #require(Account.available.first)) { context in
      let service = context.service
      let file = "FROM busybox:1\nCOPY src /src"
      _ = try await context.build(file, references: ["app:1"])
      /// Removes the image, whose layer then only the cache of builds has.
      func leave() async throws -> ImageLayer {
        let layer = try #require(try await service.send(ImageInspect.self, .init(image: "app:1")).layers.last)
        for container in try await service.send(ContainerList.self, .init(all: true)).containers {
          _ = try await service.send(ContainerRemove.self, .init(container: container.id))
        }
        _ = try await service.send(ImageRemove.self, .init(image: "app:1"))
        return layer
      }
      func damage(_ layer: ImageLayer) async throws -> [StoreProblemKind] {
        func hex(_ digest: String) -> String { String(digest.dropFirst("sha256:".count)) }
        let (blob, tree) = ("blobs/sha256/\(hex(layer.digest))", "layers/\(hex(layer.diffId))")
        let (script, kinds): (String, [StoreProblemKind]) =
          switch which {
          case "blob": ("printf X | dd of=\(blob) bs=1 seek=30 conv=notrunc 2> /dev/null", [.blobDamaged])
          case "tree": ("rm -r \(tree)/diff/src/a", [.treeDamaged])
          case "no blob": ("rm \(blob)", [.blobMissing])
          case "no tree": ("rm -r \(tree)", [.treeMissing])
          default: ("rm -r \(blob) \(tree)", [.blobMissing, .treeMissing])
          }
        try await shell(context.store, script)
        return kinds
      }
      let isForgotten = !which.hasSuffix("tree")
      let left = try await leave()
      let clean = try await service.send(ImageVerify.self, .init())
      #expect(
        clean.problems.isEmpty && clean.images == 1 && clean.layers == 2 && clean.blobs == 4, "\(clean)")
      let kinds = try await damage(left)
      let found = try await service.send(ImageVerify.self, .init())
      #expect(found.problems.map(\.kind) == kinds)
      #expect(found.problems.allSatisfy { $0.images == [] && $0.repaired && $0.forgotten == isForgotten })
      let sound = try await service.send(ImageVerify.self, .init())
      #expect(sound.problems.isEmpty, "\(sound)")
      let again = try await context.build(file, references: ["app:1"])
      #expect(again.areAllCached != isForgotten)
      #expect(try await service.run("app:1", ["cat", "/src/a"]).stdout == "one\n")
      // The same at the REPL.
      _ = try await damage(leave())
      let shown = try await context.store.runProgram("coracle-repl", ["-c", "verify"])
      #expect(shown.status == .exited(0))
      let (outcome, other) = ("it will be built anew", "it has been put right")
      let told = isForgotten ? outcome : other
      #expect(shown.text.components(separatedBy: "(the cache of builds)").count == kinds.count + 1)
      #expect(shown.text.components(separatedBy: "  \(told)\n").count == kinds.count + 1, "\(shown.text)")
      #expect(!shown.text.contains(isForgotten ? other : outcome), "\(shown.text)")
    }
  }
}
