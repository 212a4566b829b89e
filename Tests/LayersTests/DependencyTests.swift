import EngineErrors
import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing

@testable import Layers

@Suite("What layers need of those below them", .requires(.root))
struct DependencyTests {
  private func complete(_ bytes: [UInt8], in target: FilePath, lowers: [FilePath]) async throws {
    try await onBlockingThread("test-unpack") {
      let unpacker = try LayerUnpacker(into: target, options: .init(overlayXattrs: .trusted))
      try bytes.withUnsafeBytes { try unpacker.write($0) }
      _ = try unpacker.finish()
      try unpacker.resolve(lowers: lowers)
    }
  }

  /// A fresh directory beside `target`.
  private func layer(_ name: String, beside target: FilePath) throws -> FilePath {
    let place = target.removingLastComponent().appending(name)
    try makeDirectories(place, mode: 0o755)
    return place
  }

  private static func hiding(_ change: (inout TarArchive) -> Void) -> [UInt8] {
    var tar = TarArchive()
    change(&tar)
    return tar.whole
  }

  private static let hidings: [(String, [UInt8])] = [
    ("a whiteout of the directory", hiding { $0.add(".wh.a") }),
    (
      "a whiteout of the file",
      hiding {
        $0.add("a/.wh.secret"); $0.add("a/.wh.b")
      }
    ),
    (
      "an opaque directory",
      hiding {
        $0.add("a", .directory, mode: 0o755); $0.add("a/.wh..wh..opq")
      }
    ),
    ("a file in the directory's place", hiding { $0.add("a") }),
    ("a link in the directory's place", hiding { $0.add("a", .symlink, link: "c") }),
  ]

  @Test("what a layer in between hides is not there for those above it", arguments: hidings.map(\.0))
  func hidden(how: String) async throws {
    let middle = try #require(Self.hidings.first { $0.0 == how }).1
    try await withTarget { target, _ in
      let (low, mid, top) = (
        try layer("low", beside: target), try layer("mid", beside: target), try layer("top", beside: target)
      )
      var lowest = TarArchive()
      lowest.add("a", .directory, mode: 0o750, uid: 5)
      lowest.add("a/b", .directory, mode: 0o700, uid: 5)
      lowest.add("a/secret", content: "secret")
      lowest.add("c", .directory, mode: 0o755)
      lowest.add("c/secret", content: "other")
      try await unpack(lowest.whole, into: low)
      try await unpack(middle, into: mid)

      var linking = TarArchive()
      linking.add("x", .hardLink, link: "a/secret")
      let bytes = linking.whole
      let error = await #expect(throws: EngineError.self) {
        try await complete(bytes, in: target, lowers: [mid, low])
      }
      #expect(error?.kind == .corrupt && error?.message.contains("a/secret, which is nowhere") == true)

      var leaning = TarArchive()
      leaning.add("a/b/f", content: "f")
      try await complete(leaning.whole, in: top, lowers: [mid, low])
      let implied = try status(top.appending("a/b"))
      #expect(implied.st_mode & 0o7777 == 0o755 && implied.st_uid == 0)
    }
  }

  @Test("a copy of a file, and an implied directory, have all that they have below")
  func everything() async throws {
    try await withTarget { target, _ in
      let low = try layer("low", beside: target)
      let made = try await ChildProcess.run([
        "sh", "-euc",
        """
        cd "$1"; printf start > ping; truncate -s 8M ping; printf end >> ping; chown 7:8 ping; chmod 4751 ping
        setcap cap_net_raw+ep ping; setfattr -n user.k -v v ping; touch -d '2001-02-03 04:05:06.123456789Z' ping
        mkdir -m 750 d; chown 9:9 d; chmod 2750 d; setfattr -n user.dk -v dv d; setfacl -d -m u:9:rwx d
        setfacl -m u:10:rx d; touch d/x; touch -d '2002-02-03 04:05:06.123456789Z' d
        """, "sh", low.string,
      ])
      try #require(made.succeeded, "\(made.errorText)")
      var leaning = TarArchive()
      leaning.add("p2", .hardLink, link: "ping")
      leaning.add("d/p3", .hardLink, link: "ping")
      leaning.add("d/y", content: "y", mode: 0o600)
      try await complete(leaning.whole, in: target, lowers: [low])
      let listing = """
        cd "$1"; stat -c '%a %u %g %s %Y %y %F' "$2"; getfattr -d -m - -e hex --absolute-names "$2" | tail -n +2
        """
      func told(_ tree: FilePath, _ name: String) async throws -> String {
        let listed = try await ChildProcess.run(["sh", "-euc", listing, "sh", tree.string, name])
        try #require(listed.succeeded, "\(listed.errorText)")
        return listed.text
      }
      let (file, directory) = (try await told(low, "ping"), try await told(low, "d"))
      #expect(file.contains("security.capability") && file.contains("user.k=0x76"))
      #expect(directory.contains("posix_acl_default") && directory.contains("user.dk"))
      for copy in ["p2", "d/p3"] {
        #expect(try await told(target, copy) == file)
        let found = try status(target.appending(copy))
        #expect(found.st_blocks * 512 < 1 << 20)
        let same = try await ChildProcess.run(
          ["cmp", low.appending("ping").string, target.appending(copy).string])
        #expect(same.succeeded, "\(same.text)")
      }
      #expect(try await told(target, "d") == directory)
      let own = try status(target.appending("d/y"))
      #expect(own.st_mode & 0o7777 == 0o600 && own.st_gid == 0)
    }
  }

  @Test("without a tree only the digests are asked for, and nothing is written")
  func digests() async throws {
    try await withTarget { target, _ in
      var tar = TarArchive()
      tar.add("file", content: "x")
      let bytes = tar.whole
      var options = UnpackOptions(overlayXattrs: .trusted)
      let whole = try await unpack(bytes, into: layer("tree", beside: target), options: options)
      options.makesTree = false
      let layer = try await unpack(bytes, into: target, options: options)
      #expect(layer.diffID == whole.diffID && layer.uncompressedSize == Int64(bytes.count))
      let names = try FlatDirectory(target).names()
      #expect(names.isEmpty)
      let text = Array("this is no archive at all".utf8)
      #expect(try await unpack(text, into: target, options: options).diffID != whole.diffID)
    }
  }
}
