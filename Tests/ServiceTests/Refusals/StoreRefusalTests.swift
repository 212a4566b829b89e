import RPCModel
import RPCTransport
import TestSupport
import Testing

@Suite("Requests about the store, volumes and events that are refused")
struct StoreRefusalTests {
  @Test("volumes that are not there, are there already, or are used")
  func volumes() async throws {
    try await withBusyboxService(try #require(Account.available.first)) { store, service in
      let (archive, out) = (
        store.directory.appending("busybox.tar").string, store.directory.appending("out.tar").string
      )
      await service.expect(.notFound, of: VolumeInspect.self, .init(volume: "nosuch"))
      await service.expect(.notFound, of: VolumeRemove.self, .init(volume: "nosuch"))
      await service.expect(.notFound, of: VolumeExport.self, .init(volume: "nosuch", path: out))
      await service.expect(.invalidArgument, of: VolumeCreate.self, .init(name: "not a name"))
      await service.expect(.invalidArgument, of: VolumeImport.self, .init(name: "not a name", path: archive))

      _ = try await service.send(VolumeCreate.self, .init(name: "data"))
      await service.expect(.alreadyExists, of: VolumeCreate.self, .init(name: "data"))
      await service.expect(.invalidArgument, of: VolumeExport.self, .init(volume: "data"))
      await service.expect(.invalidArgument, of: VolumeExport.self, .init(volume: "data", path: "out.tar"))
      await service.expect(.invalidArgument, of: VolumeImport.self, .init(name: "data"))
      await service.expect(
        .notFound, of: VolumeImport.self,
        .init(name: "data", path: store.directory.appending("none").string))
      _ = try await service.send(VolumeImport.self, .init(name: "data", path: archive))
      await service.expect(.conflict, of: VolumeImport.self, .init(name: "data", path: archive))
      try store.directory.appending("text").write("nothing that tar would read\n".utf8)
      await service.expect(
        .corrupt, of: VolumeImport.self,
        .init(name: "other", path: store.directory.appending("text").string))

      _ = try await service.send(
        ContainerCreate.self,
        .init(
          image: "busybox:1", command: ["true"],
          mounts: [.init(kind: .volume, target: "/data", source: "data")]))
      await service.expect(.inUse, of: VolumeRemove.self, .init(volume: "data"))
    }
  }

  @Test("places in the journal, subscriptions and kinds that there are not")
  func others() async throws {
    try await withBusyboxService(try #require(Account.available.first)) { _, service in
      await service.expect(.invalidArgument, of: EventSubscribe.self, .init(after: "yesterday"))
      await service.expect(.notFound, of: EventUnsubscribe.self, .init(subscription: "e17"))
      await service.expect(
        .invalidArgument, of: SystemPrune.self, .init(kinds: [PruneKind(rawValue: "everything")]))
    }
  }

  @Test("a store that a later version has written is left alone, and initialize says so")
  func laterVersion() async throws {
    try await withTestStore(try #require(Account.available.first)) { store in
      #expect(await try store.service().stop() == 0)
      let changed = try await store.run([
        "/usr/bin/python3", "-c",
        """
        import sqlite3, sys
        database = sqlite3.connect(sys.argv[1])
        database.execute("PRAGMA user_version = 4000")
        database.commit()
        """, store.store.appending("db.sqlite").string,
      ])
      #expect(changed.succeeded, "\(changed.errorText)")
      let late = try await store.uninitializedService()
      await late.expect(.unsupported, of: Initialize.self, .init())
      await late.waitForExit()
    }
  }
}
