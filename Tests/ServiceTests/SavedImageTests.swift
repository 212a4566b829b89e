import Foundation
import OCIModel
import RPCModel
import SystemPackage
import TestSupport
import Testing

@Suite("Images saved and loaded, from end to end")
struct SavedImageTests {
  /// Runs `body` with a service that has `busybox:1`, and `demo:2` with a layer more.
  private func withImages(
    _ account: Account, _ body: @Sendable (TestStore, TestService) async throws -> Void
  ) async throws {
    try await withTestStore(account) { store in
      let service = try await store.service()
      _ = try await service.importBusybox(store)
      let made = try await service.run(["sh", "-c", "echo new > /file; rm /etc/group"]) {
        $0.autoRemove = false
      }
      _ = try await service.send(
        ContainerCommit.self, .init(container: made.container.id, reference: "demo:2"))
      _ = try await service.send(ContainerRemove.self, .init(container: made.container.id))
      try await body(store, service)
      #expect(await service.stop() == 0)
    }
  }

  private func images(_ service: TestService) async throws -> [ImageSummary] {
    try await service.send(ImageList.self, .init()).images.map(\.withoutSharing).sorted {
      $0.digest < $1.digest
    }
  }

  @Test(
    "two images and a second name go to one archive, and come back as they were; compressed or not, as a directory too",
    arguments: Account.available)
  func roundTrip(account: Account) async throws {
    try await withImages(account) { store, service in
      _ = try await service.send(ImageTag.self, .init(image: "demo:2", reference: "demo:latest"))
      let names = ["demo:2", "busybox:1", "demo"]
      let archive = store.directory.appending("images.tar")
      let directory = store.directory.appending("layout")
      let saved = try await service.send(ImageSave.self, .init(images: names, path: archive.string))
      let size = try archive.readAll().count
      #expect(saved.images.count == 2 && saved.bytes == size)
      _ = try await service.send(
        ImageSave.self, .init(images: names, path: directory.string, format: .directory))
      for (program, name) in [("gzip", "images.tgz"), ("zstd", "images.zst")] {
        let packed = try await ChildProcess.run([program, "-c", archive.string])
        try store.directory.appending(name).write(packed.stdout)
      }
      let before = try await images(service)
      for source in ["images.tar", "layout", "images.tgz", "images.zst"] {
        try await withTestStore(account) { other in
          let fresh = try await other.service()
          let source = store.directory.appending(source)
          // The other store's user may not enter the first one's directory.
          let copy = other.directory.appending("source")
          let script = "cp -r \"$1\" \"$2\" && chmod -R a+rX \"$2\""
          let copied = try await ChildProcess.run(["sh", "-c", script, "sh", source.string, copy.string])
          #expect(copied.succeeded)
          let loaded = try await fresh.send(ImageLoad.self, .init(path: copy.string))
          #expect(
            Set(loaded.images.flatMap(\.references))
              == ["docker.io/library/busybox:1", "docker.io/library/demo:2", "docker.io/library/demo:latest"])
          #expect(try await images(fresh) == before)
          let run = try await fresh.run("demo:2", ["sh", "-c", "cat /file; ls /etc"])
          #expect(run.stdout.hasPrefix("new\n") && !run.stdout.contains("group"))
          // What is there already is no harm.
          #expect(try await fresh.send(ImageLoad.self, .init(path: copy.string)).images.count == 2)
          #expect(try await images(fresh) == before)
          #expect(await fresh.stop() == 0)
        }
      }
    }
  }

  @Test("all images of an archive get their names at once, or none does, wherever a load is killed")
  func loadedAtOnce() async throws {
    try await withImages(try #require(Account.available.first)) { store, service in
      let archive = store.directory.appending("images.tar")
      _ = try await service.send(
        ImageSave.self, .init(images: ["demo:2", "busybox:1"], path: archive.string))
      for failpoint in ["imageWritten", "imageRecorded"] {
        try await withTestStore(try #require(Account.available.first)) { other in
          let copy = other.directory.appending("images.tar")
          try copy.write(archive.readAll())
          let dying = try await other.service(failpoint: failpoint)
          await #expect(throws: (any Error).self) {
            try await dying.send(ImageLoad.self, .init(path: copy.string))
          }
          await dying.expectDeath()
          let next = try await other.service()
          let names = try await next.send(ImageList.self, .init()).images.flatMap(\.references).sorted()
          #expect(
            names
              == (failpoint == "imageWritten"
                ? [] : ["docker.io/library/busybox:1", "docker.io/library/demo:2"]))
          #expect(await next.stop() == 0)
        }
      }
    }
  }

  @Test("the same images give the same bytes, in whatever order and to wherever they go")
  func reproducible() async throws {
    try await withImages(try #require(Account.available.first)) { store, service in
      var digests: Set<OCIModel.Digest> = []
      for (number, names) in [["demo:2", "busybox:1"], ["busybox:1", "demo:2"]].enumerated() {
        let path = store.directory.appending("\(number).tar")
        _ = try await service.send(ImageSave.self, .init(images: names, path: path.string))
        digests.insert(OCIModel.Digest(of: try path.readAll()))
      }
      digests.insert(OCIModel.Digest(of: try await service.saved(["demo:2", "busybox:1"])))
      #expect(digests.count == 1)
      // A file that is there is replaced; nothing is left beside it.
      _ = try await service.send(
        ImageSave.self, .init(images: ["demo:2"], path: store.directory.appending("0.tar").string))
      let left = try await ChildProcess.run(["ls", "-A", store.directory.string])
      #expect(!left.text.contains(".coracle-"))
    }
  }

  @Test(
    "over streams: save, load, import; a stream that breaks off brings nothing", arguments: Account.available)
  func streams(account: Account) async throws {
    try await withImages(account) { store, service in
      let archive = try await service.saved(["demo:2"])
      let digest = try await service.send(ImageInspect.self, .init(image: "demo:2")).image.digest
      for name in ["demo:2", "busybox:1"] { _ = try await service.send(ImageRemove.self, .init(image: name)) }
      for isWhole in [false, true] {
        let sender = service.process.connection.sender()
        let loading = Task { try await service.send(ImageLoad.self, .init(stream: sender.id)) }
        if isWhole {
          #expect(try await sender.send(archive))
          await sender.close()
          let images = try await loading.value.images
          #expect(images.map(\.image.digest) == [digest])
        } else {
          #expect(try await sender.send(Array(archive.prefix(archive.count / 2))))
          await sender.close()
          let error = await #expect(throws: RPCError.self) { _ = try await loading.value }
          #expect(error?.data?.kind == .corrupt)
          #expect(try await images(service).isEmpty)
          try await expectEmpty(store)
        }
      }
      #expect(try await service.run("demo:2", ["cat", "/file"]).stdout == "new\n")
      let sender = service.process.connection.sender()
      let importing = Task {
        try await service.send(ImageImport.self, .init(stream: sender.id, reference: "raw:1"))
      }
      #expect(try await sender.send(try await store.busyboxArchive().readAll()))
      await sender.close()
      #expect(try await importing.value.image.layerCount == 1)
      #expect(try await service.run("raw:1", ["echo", "here"]).stdout == "here\n")
    }
  }

  @Test("a save that is cancelled leaves nothing; one to what is no file is refused")
  func cancelledSave() async throws {
    try await withImages(try #require(Account.available.first)) { store, service in
      // Nobody grants the stream more than a byte: the request waits until it is cancelled.
      let receiver = service.process.connection.receiver(credit: 1)
      let saving = Task {
        try await service.send(
          ImageSave.self, .init(images: ["demo:2"], stream: receiver.id, initialCredit: 1))
      }
      for await _ in receiver.chunks { break }
      saving.cancel()
      let error = await #expect(throws: RPCError.self) { _ = try await saving.value }
      #expect(error?.code == ErrorCode.requestCancelled)
      func kind(_ params: ImageSave.Params) async -> ErrorKind? {
        let error = await #expect(throws: RPCError.self) { try await service.send(ImageSave.self, params) }
        return error?.data?.kind
      }
      let directory = store.directory
      #expect(await kind(.init(images: ["demo:2"], path: directory.string)) == .invalidArgument)
      #expect(await kind(.init(images: ["demo:2"], path: "/dev/null")) == .invalidArgument)
      #expect(await kind(.init(images: ["demo:2"], path: "relative.tar")) == .invalidArgument)
      #expect(
        await kind(.init(images: ["demo:2"], path: directory.string, format: .directory)) == .alreadyExists)
      #expect(await kind(.init(images: ["demo:2"], path: "\(directory)/none/a.tar")) == .notFound)
      #expect(await kind(.init(images: ["none:1"], path: "\(directory)/a.tar")) == .notFound)
      #expect(await kind(.init(images: [], path: "\(directory)/a.tar")) == .invalidArgument)
      #expect(await kind(.init(images: ["demo:2"])) == .invalidArgument)
      let left = try await ChildProcess.run(["ls", "-A", directory.string])
      #expect(left.text.split(separator: "\n").sorted() == ["busybox.tar", "run", "store"])
    }
  }

  @Test("a full disk at the destination is noSpace, and leaves nothing there", .requires(.mount))
  func fullDestination() async throws {
    try await withImages(.root) { _, service in
      try await withSmallFileSystem(bytes: 64 << 10) { disk in
        for format in [SaveFormat.archive, .directory] {
          let error = await #expect(throws: RPCError.self) {
            try await service.send(
              ImageSave.self, .init(images: ["demo:2"], path: "\(disk)/images", format: format))
          }
          #expect(error?.data?.kind == .noSpace)
          let left = try await ChildProcess.run(["ls", "-A", disk.string])
          #expect(left.text.isEmpty)
        }
      }
    }
  }
}

/// That a store has no blob, layer or partial file.
func expectEmpty(_ store: TestStore) async throws {
  for directory in ["blobs/sha256", "layers", "ingest"] {
    let listed = try await ChildProcess.run(["ls", "-A", store.store.appending(directory).string])
    #expect(listed.text.isEmpty, "\(directory) still has \(listed.text)")
  }
}

extension ImageSummary {
  /// What the image alone says, without the others in the store.
  var withoutSharing: ImageSummary { self }
}

extension TestService {
  /// The archive that a save sends over a stream.
  func saved(_ images: [String]) async throws -> [UInt8] {
    let receiver = process.connection.receiver(credit: 1 << 20)
    async let bytes = receiver.bytes()
    do {
      _ = try await send(ImageSave.self, .init(images: images, stream: receiver.id, initialCredit: 1 << 20))
    } catch {
      receiver.end(nil)
      throw error
    }
    return await bytes
  }

  /// The archive that an export sends over a stream.
  func exported(_ container: String) async throws -> [UInt8] {
    let receiver = process.connection.receiver(credit: 1 << 20)
    async let bytes = receiver.bytes()
    do {
      _ = try await send(
        ContainerExport.self, .init(container: container, stream: receiver.id, initialCredit: 1 << 20))
    } catch {
      receiver.end(nil)
      throw error
    }
    return await bytes
  }
}
