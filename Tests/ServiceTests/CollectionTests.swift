import OCIModel
import RPCModel
import SystemPackage
import TestSupport
import Testing

@Suite("Collection beside everything else")
struct CollectionTests {
  /// Images of two layers of four, so that each shares with two others.
  private func images(_ store: TestStore) async throws -> [ServedImage] {
    var tars: [[UInt8]] = []
    for index in 0..<4 {
      let file = store.directory.appending("layer\(index)")
      let made = try await ChildProcess.run(
        [
          "sh", "-ec",
          "mkdir -p tree; echo \(index) > tree/file\(index); tar -C tree -cf \"$1\" file\(index)", "sh",
          file.string,
        ],
        workingDirectory: store.directory)
      #expect(made.succeeded, "\(made.errorText)")
      tars.append(try file.readAll())
    }
    var images: [ServedImage] = []
    for index in 0..<4 { images.append(try await ServedImage(tars: [tars[index], tars[(index + 1) % 4]])) }
    return images
  }

  @Test(
    "services that pull, remove and prune at the same time never leave an image without a part of it",
    arguments: Account.available)
  func beside(account: Account) async throws {
    try await withTestStore(account) { store in
      let images = try await images(store)
      try await withFaultyServer { server in
        for (index, image) in images.enumerated() { image.serve(on: server, as: "app\(index)") }
        let names = images.indices.map { "\(server.host)/app\($0):1" }
        try await withThrowingTaskGroup(of: Void.self) { group in
          for worker in 0..<3 {
            group.addTask {
              let service = try await store.service("worker \(worker)")
              for step in 0..<8 {
                let name = names[(worker + step) % names.count]
                switch (worker + step) % 3 {
                case 0, 1:
                  let pulled = try await service.send(ImagePull.self, .init(reference: name))
                  #expect(pulled.layers.count == 2)
                  // Another worker may have removed it by now, or it is whole.
                  do {
                    _ = try await service.send(
                      ContainerCreate.self, .init(image: name, name: "c\(worker)-\(step)", command: ["x"]))
                    let changes = try await service.send(
                      ContainerDiff.self, .init(container: "c\(worker)-\(step)")
                    ).changes
                    #expect(changes.isEmpty)
                    _ = try await service.send(ContainerRemove.self, .init(container: "c\(worker)-\(step)"))
                  } catch let error as RPCError {
                    #expect(error.data?.kind == .notFound, "\(error)")
                  }
                default:
                  do {
                    _ = try await service.send(ImageRemove.self, .init(image: name))
                  } catch let error as RPCError {
                    #expect([.notFound, .inUse].contains(error.data?.kind), "\(error)")
                  }
                  let plan = try await service.send(SystemPrune.self, .init())
                  _ = try await service.send(SystemPrune.self, .init(apply: plan.items.map(\.id)))
                }
              }
              #expect(await service.stop() == 0)
            }
          }
          try await group.waitForAll()
        }
        let service = try await store.service()
        for name in names { _ = try await service.send(ImagePull.self, .init(reference: name)) }
        let found = try await service.send(ImageVerify.self, .init())
        #expect(found.problems.isEmpty && found.images == 4 && found.layers == 4, "\(found)")
        for name in names { _ = try await service.send(ImageRemove.self, .init(image: name)) }
        let usage = try await service.send(SystemDiskUsage.self, .init())
        #expect(usage.images.uniqueBytes + usage.images.sharedBytes == 0 && usage.leftoverBytes == 0)
        #expect(await service.stop() == 0)
      }
    }
  }
}
