import RPCModel
import SystemPackage
import TestSupport
import Testing

/// A database whose pages are damaged under a service that runs.
@Suite("A corrupt database")
struct CorruptDatabaseTests {
  /// Moves all that the write-ahead log has into the file, and writes over all of it but the first page.
  private static let damage = """
    import os, sqlite3, sys
    database = sqlite3.connect(sys.argv[1], timeout=60)
    assert database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    size = database.execute("PRAGMA page_size").fetchone()[0]
    # A change of the file's first page is what makes other connections drop what they remember.
    database.execute("CREATE TABLE unrelated (x)")
    database.commit()
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    with open(sys.argv[1], "r+b") as file:
        file.seek(size)
        file.write(b"\\xa5" * (os.path.getsize(sys.argv[1]) - size))
    """

  @Test("every request that reads it says corrupt, and the session goes on")
  func reads() async throws {
    try await withTestStore(try #require(Account.available.first)) { store in
      let service = try await store.service()
      let image = try await service.importBusybox(store)
      let container = try await service.send(
        ContainerCreate.self, .init(image: "busybox:1", command: ["true"])
      ).container.id
      _ = try await service.send(VolumeCreate.self, .init(name: "data"))
      let damaged = try await ChildProcess.run([
        "/usr/bin/python3", "-c", Self.damage, store.store.appending("db.sqlite").string,
      ])
      #expect(damaged.succeeded, "\(damaged.errorText)")

      func expectCorrupt<Request: RPCRequest>(_ type: Request.Type, _ params: Request.Params) async {
        do {
          _ = try await service.send(type, params)
          Issue.record("\(type.method.rawValue) does not notice it")
        } catch {
          let kind = (error as? RPCError)?.data?.kind
          #expect(kind == .corrupt, "\(type.method.rawValue): \(error)")
        }
      }
      await expectCorrupt(SystemInfo.self, .init())
      await expectCorrupt(ImageList.self, .init())
      await expectCorrupt(ImageInspect.self, .init(image: image.digest))
      await expectCorrupt(ImageHistory.self, .init(image: image.digest))
      await expectCorrupt(ContainerList.self, .init(all: true))
      await expectCorrupt(ContainerInspect.self, .init(container: container))
      await expectCorrupt(VolumeList.self, .init())
      await expectCorrupt(VolumeInspect.self, .init(volume: "data"))
      await expectCorrupt(NetworkList.self, .init())
      await expectCorrupt(BuildCacheList.self, .init())
      _ = try await service.send(SystemPing.self, .init())
      #expect(await service.stop() == 0)
    }
  }
}
