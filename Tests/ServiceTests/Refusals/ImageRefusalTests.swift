import RPCModel
import RPCTransport
import TestSupport
import Testing

@Suite("Requests about images that are refused")
struct ImageRefusalTests {
  @Test("a name that nobody has, and one that is none, in every request that names an image")
  func names() async throws {
    try await withBusyboxService(try #require(Account.available.first)) { store, service in
      let file = store.directory.appending("out.tar").string
      for (name, kind) in [("nosuch", ErrorKind.notFound), ("Not A Name", .invalidArgument)] {
        await service.expect(kind, of: ImageInspect.self, .init(image: name))
        await service.expect(kind, of: ImageHistory.self, .init(image: name))
        await service.expect(kind, of: ImageVerify.self, .init(image: name))
        await service.expect(kind, of: ImageTag.self, .init(image: name, reference: "new:1"))
        await service.expect(kind, of: ImageRemove.self, .init(image: name))
        await service.expect(kind, of: ImageSave.self, .init(images: [name], path: file))
        await service.expect(kind, of: ImagePush.self, .init(image: name, destination: "127.0.0.1:1/app:1"))
        await service.expect(
          kind, of: ImagePushIndex.self, .init(images: [name], destination: "127.0.0.1:1/app:1"))
        await service.expect(kind, of: ContainerCreate.self, .init(image: name, command: ["true"]))
        await service.expect(kind, of: ContainerRun.self, .init(image: name, command: ["true"]))
      }
      for name in [
        "Not A Name", "busybox@\(try await service.send(ImageList.self, .init()).images[0].digest)",
      ] {
        await service.expect(.invalidArgument, of: ImageTag.self, .init(image: "busybox:1", reference: name))
        let archive = store.directory.appending("busybox.tar").string
        await service.expect(.invalidArgument, of: ImageImport.self, .init(path: archive, reference: name))
      }
      await service.expect(.invalidArgument, of: ImagePull.self, .init(reference: "Not A Name"))
    }
  }

  @Test("an image with several names, or with containers, is not removed by its digest")
  func removal() async throws {
    try await withBusyboxService(try #require(Account.available.first)) { _, service in
      let image = try await service.send(
        ImageTag.self, .init(image: "busybox:1", reference: "busybox:2")
      ).image
      await service.expect(.conflict, of: ImageRemove.self, .init(image: image.digest))
      _ = try await service.send(ContainerCreate.self, .init(image: "busybox:1", command: ["true"]))
      await service.expect(.inUse, of: ImageRemove.self, .init(image: image.digest, force: true))
    }
  }

  @Test("archives that are not there, or are none")
  func archives() async throws {
    try await withBusyboxService(try #require(Account.available.first)) { store, service in
      let (there, missing) = (
        store.directory.appending("busybox.tar").string, store.directory.appending("none/x.tar").string
      )
      try store.directory.appending("text").write("nothing that tar would read\n".utf8)
      let text = store.directory.appending("text").string
      for (path, kind) in [(missing, ErrorKind.notFound), ("x.tar", .invalidArgument), (text, .corrupt)] {
        await service.expect(kind, of: ImageImport.self, .init(path: path, reference: "new:1"))
        await service.expect(kind, of: ImageLoad.self, .init(path: path))
      }
      await service.expect(.invalidArgument, of: ImageImport.self, .init(reference: "new:1"))
      await service.expect(.invalidArgument, of: ImageLoad.self, .init())
      await service.expect(.notFound, of: ImageSave.self, .init(images: ["busybox:1"], path: missing))
      await service.expect(
        .alreadyExists, of: ImageSave.self,
        .init(images: ["busybox:1"], path: store.store.string, format: .directory))
      // It has no images, as a root file system has none.
      await service.expect(.corrupt, of: ImageLoad.self, .init(path: there))
    }
  }
}
