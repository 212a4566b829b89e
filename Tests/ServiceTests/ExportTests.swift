import OCIModel
import RPCModel
import SystemPackage
import TestSupport
import Testing

@Suite("Exported containers, from end to end")
struct ExportTests {
  @Test(
    "an export is what the container saw: changes, whiteouts, links, owners, modes; the same bytes each time",
    arguments: Account.available)
  func whole(account: Account) async throws {
    try await withTestStore(account) { store in
      let service = try await store.service()
      let archive = try await store.busyboxArchive(
        """
        mkdir -p deep/a/b gone kept over; echo one > deep/a/b/one; echo x > gone/x; echo y > kept/y
        echo file > over/file; ln deep/a/b/one deep/hard; chmod 4755 bin/busybox
        """)
      _ = try await service.send(ImageImport.self, .init(path: archive.string, reference: "busybox:1"))
      let made = try await service.run([
        "sh", "-c",
        "rm -r /gone /over; mkdir /over; echo other > /over/new; echo two > /deep/a/b/two; ln -s two /deep/a/b/link; ln /deep/a/b/two /deep/second; mkdir -p /proc /gone2; busybox chown 1000:50 /kept/y",
      ])
      let path = store.directory.appending("root.tar")
      let result = try await service.send(
        ContainerExport.self, .init(container: made.container.id, path: path.string))
      let bytes = try path.readAll()
      #expect(result.bytes == bytes.count)
      let streamed = try await service.exported(made.container.id)
      #expect(Digest(of: bytes) == Digest(of: streamed))
      let listed = try await ChildProcess.run(["tar", "-tvf", path.string])
      #expect(listed.succeeded)
      let names = try await ChildProcess.run(["tar", "-tf", path.string]).text.split(separator: "\n")
      for name in ["over/new", "deep/a/b/one", "deep/a/b/two", "deep/a/b/link", "kept/y", "gone2/"] {
        #expect(names.contains(Substring(name)), "\(name) is missing")
      }
      for name in names {
        #expect(!name.hasPrefix("gone/") && name != "over/file" && !name.contains(".wh."))
      }
      #expect(listed.text.contains("1000/50") && listed.text.contains("-rwsr-xr-x"))
      #expect(listed.text.contains("deep/hard link to deep/a/b/one"))
      #expect(listed.text.contains("deep/second link to deep/a/b/two"))
      // Taken in again, it is the same root file system.
      _ = try await service.send(ImageImport.self, .init(path: path.string, reference: "again:1"))
      let script =
        "for f in /deep/a/b/one /deep/a/b/two /deep/a/b/link /over/new /kept/y; do cat $f; done; ls /over /deep /"
      let first = try await service.run("again:1", ["sh", "-c", script])
      _ = try await service.send(
        ContainerCommit.self, .init(container: made.container.id, reference: "committed:1"))
      let second = try await service.run("committed:1", ["sh", "-c", script])
      #expect(first.stdout == second.stdout && first.stdout.hasPrefix("one\ntwo\ntwo\nother\ny\n"))
      let error = await #expect(throws: RPCError.self) {
        try await service.send(ContainerExport.self, .init(container: "none", path: path.string))
      }
      #expect(error?.data?.kind == .notFound)
      #expect(await service.stop() == 0)
    }
  }
}
