import RPCModel
import SystemPackage
import TestSupport
import Testing

/// Events of images, builds and networks, which other tests cause without looking at them.
@Suite("Kinds of event")
struct EventKindTests {
  @Test("each change of images is told, from import and build to push and removal")
  func images() async throws {
    try await withTestStore(try #require(Account.available.first)) { store in
      try await withDockerRegistry { registry in
        let service = try await store.service()
        let pushed = "\(registry.host)/demo:1"
        let archive = store.directory.appending("saved.tar").string
        _ = try await service.send(EventSubscribe.self, .init(kinds: ["image.", "build."]))
        let image = try await service.importBusybox(store)
        _ = try await service.send(ImageTag.self, .init(image: "busybox:1", reference: pushed))
        _ = try await service.send(ImageSave.self, .init(images: ["busybox:1"], path: archive))
        _ = try await service.send(ImagePush.self, .init(image: pushed))
        for name in [pushed, "busybox:1"] {
          _ = try await service.send(ImageRemove.self, .init(image: name))
        }
        _ = try await service.send(ImageLoad.self, .init(path: archive))
        let made = try await service.run(["touch", "/file"]) { $0.autoRemove = false }
        _ = try await service.send(
          ContainerCommit.self, .init(container: made.container.id, reference: "committed:1"))
        _ = try await service.send(
          BuildStart.self, .init(dockerfile: "FROM busybox:1\nLABEL a=b\n", references: ["built:1"]))
        await #expect(throws: RPCError.self) {
          try await service.send(
            BuildStart.self, .init(dockerfile: "FROM busybox:1\nRUN --network=none false\n"))
        }
        _ = try await service.send(ImagePull.self, .init(reference: pushed))
        for kind in [
          "image.imported", "image.tagged", "image.untagged", "image.removed", "image.loaded", "image.pushed",
          "image.committed", "image.pulled", "build.finished", "build.failed",
        ] {
          #expect(await service.notifications.event(kind)?.subject.isEmpty == false, "\(kind)")
        }
        let subjects = Set(service.notifications.events.map(\.subject))
        #expect(subjects.contains(image.digest))
        #expect(await service.stop() == 0)
      }
    }
  }

  @Test("a network's life is told, and who comes and goes", .requires(.networks))
  func networks() async throws {
    try await NetworkScene.with { scene in
      let service = scene.service
      _ = try await service.send(EventSubscribe.self, .init(kinds: ["network."]))
      let container = try await service.send(
        ContainerCreate.self, .init(image: "busybox:1", command: ["true"], network: .bridge)
      ).container.id
      _ = try await service.send(NetworkCreate.self, .init(name: "told"))
      _ = try await service.send(NetworkConnect.self, .init(network: "told", container: container))
      _ = try await service.send(NetworkDisconnect.self, .init(network: "told", container: container))
      _ = try await service.send(NetworkRemove.self, .init(network: "told"))
      _ = try await service.send(ContainerRemove.self, .init(container: container))
      for kind in ["network.created", "network.connected", "network.disconnected", "network.removed"] {
        #expect(await service.notifications.event(kind)?.subject.isEmpty == false, "\(kind)")
      }
    }
  }
}
