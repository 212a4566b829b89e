import Foundation
import LinuxSystem
import RPCModel
import SystemPackage
import TestSupport
import Testing

/// Invariants 1 to 3, against `kill -9` in front of and behind each step by which the store changes.
@Suite("A service that is killed between two steps")
struct FailpointTests {
  private func expectRecovery(from death: Death, _ account: Account) async throws {
    let image = try await DeathScene.served(for: death.request)
    try await withTestStore(account) { store in
      try await withFaultyServer { server in
        image.serve(on: server)
        let scene = DeathScene(store: store, server: server, image: image, request: death.request)
        try await scene.prepare()
        if let survivor = try await scene.perform(dyingAt: death.setting) {
          _ = await survivor.stop()
          Issue.record("\(death.setting) was never reached")
          return
        }
        // What the disk or a loss of power has damaged is for the next service to see to, and looked at after that.
        let isDamaged =
          [.open, .verifyBlob, .verifyTree].contains(death.request) && death.failpoint != .treesExchanged
        if !isDamaged { try await scene.expectWhole() }
        if death.failpoint == .archiveWritten, death.request == .save {
          #expect(try scene.archive.readAll() == Array("old".utf8))
        }
        let service = try await store.service()
        try await scene.expectWholeVolume(service, isDone: false)
        try await scene.performAgain(service)
        try await scene.expectOutcome(service)
        if isDamaged { try await scene.expectWhole() }
        try await expectNothingLeft(scene, service)
      }
    }
  }

  /// Ends the service. That nothing is left when all that has a name is removed: not of the request, and not of the one that died.
  private func expectNothingLeft(_ scene: DeathScene, _ service: TestService) async throws {
    for container in try await scene.containers(service) {
      _ = try await service.send(ContainerRemove.self, .init(container: container, force: true))
    }
    for volume in try await scene.volumes(service) {
      _ = try await service.send(VolumeRemove.self, .init(volume: volume))
    }
    if scene.request == .removeImage {
      _ = try await service.send(ImagePull.self, .init(reference: scene.name))
    }
    // One that the dead service had named has lost its name to the next one's.
    for image in try await service.send(ImageList.self, .init()).images {
      _ = try await service.send(ImageRemove.self, .init(image: image.digest, force: true))
    }
    // The end of a session waits for what it has removed.
    #expect(await service.stop() == 0)
    for directory in ["blobs/sha256", "layers", "ingest", "staging", "containers", "volumes"] {
      let left = try scene.list(directory)
      #expect(left.isEmpty, "\(directory) still has \(left)")
    }
    let run = scene.store.run.appending("containers").string
    #expect((try? FileManager.default.contentsOfDirectory(atPath: run)) ?? [] == [])
  }

  @Test(
    "leaves nothing half done: what has a name is whole, and the same request then succeeds",
    arguments: Death.all)
  func killed(death: Death) async throws {
    try await expectRecovery(from: death, try #require(Account.available.first))
  }

  @Test(
    "and so does an ordinary user's",
    arguments: Death.all.filter {
      [.pull, .run, .createWithVolume].contains($0.request) && $0.passing == 1
    })
  func killedOrdinary(death: Death) async throws {
    try #require(Account.available.contains(.ordinary))
    try await expectRecovery(from: death, .ordinary)
  }

  @Test("a failpoint that there is not is refused, with those that there are")
  func unknown() async throws {
    try await withTestStore(try #require(Account.available.first)) { store in
      for setting in ["nowhere", "blobWritten:0", "blobWritten:x", "blobWritten:1:1"] {
        let service = try await store.uninitializedService(failpoint: setting)
        #expect(await service.waitForExit() == 64)
      }
    }
  }
}
