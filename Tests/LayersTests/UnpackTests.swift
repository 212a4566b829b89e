import EngineErrors
import Glibc
import LinuxSystem
import OCIModel
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import Layers

@Suite("Unpacking", .requires(.root))
struct UnpackTests {
  @Test("files, links, modes, owners and times arrive as they are in the archive")
  func faithful() async throws {
    try await withTarget { target, _ in
      var tar = TarArchive()
      tar.add("./", .directory, mode: 0o755)
      tar.add("bin/", .directory, mode: 0o711, uid: 3, gid: 4, mtime: 77)
      tar.add("bin/tool", content: "#!", mode: 0o4755, uid: 1, gid: 2)
      tar.add("bin/same", .hardLink, link: "bin/tool")
      tar.add("bin/link", .symlink, link: "/etc/passwd")
      tar.add("pipe", .fifo)
      let layer = try await unpack(tar.whole, into: target)
      #expect(layer.diffID == Digest(of: tar.whole))
      #expect(layer.dependencies == nil)
      let tool = try status(target.appending("bin/tool"))
      #expect(tool.st_mode & 0o7777 == 0o4755 && tool.st_uid == 1 && tool.st_gid == 2 && tool.st_nlink == 2)
      #expect(tool.st_mtim.tv_sec == 1_000_000)
      let directory = try status(target.appending("bin"))
      #expect(directory.st_mode & 0o7777 == 0o711 && directory.st_uid == 3 && directory.st_mtim.tv_sec == 77)
      #expect(try status(target.appending("bin/link")).st_mode & S_IFMT == S_IFLNK)
      #expect(try status(target.appending("pipe")).st_mode & S_IFMT == S_IFIFO)
    }
  }

  @Test("whiteouts become overlayfs's: a device 0:0, and an opaque directory")
  func whiteouts() async throws {
    try await withTarget { target, _ in
      var tar = TarArchive()
      tar.add("etc/", .directory, mode: 0o755)
      tar.add("etc/.wh.gone")
      tar.add("var/", .directory, mode: 0o755)
      tar.add("var/.wh..wh..opq")
      try await unpack(tar.whole, into: target)
      let gone = try status(target.appending("etc/gone"))
      #expect(gone.st_mode & S_IFMT == S_IFCHR && gone.st_rdev == 0)
      let directory = try FileDescriptor.open(target.appending("var"), .readOnly, options: .directory)
      defer { try? directory.close() }
      #expect(try directory.extendedAttribute("trusted.overlay.opaque") == Array("y".utf8))
    }
  }

  @Test(
    "a whiteout of no name, of the directory itself or of its parent is refused", arguments: ["", ".", ".."])
  func whiteoutsOfNothing(name: String) async throws {
    try await withTarget { target, _ in
      var tar = TarArchive()
      tar.add("d/", .directory, mode: 0o755)
      tar.add("d/.wh.\(name)")
      let error = await #expect(throws: EngineError.self) { try await unpack(tar.whole, into: target) }
      #expect(error?.kind == .corrupt)
    }
  }

  @Test(
    "gzip, several members of it, and zstd give the same tree and the same diffID",
    arguments: ["gzip -c", "zstd -q -c"])
  func compressed(program: String) async throws {
    try await withTarget { target, _ in
      var tar = TarArchive()
      tar.add("a", content: String(repeating: "text ", count: 20_000))
      let half = tar.whole.count / 2
      let parts = [Array(tar.whole[..<half]), Array(tar.whole[half...])]
      var bytes: [UInt8] = []
      for part in parts {
        bytes += try await ChildProcess.run(["sh", "-c", program], input: .bytes(part)).stdout
      }
      let layer = try await unpack(bytes, into: target, pieces: 77)
      #expect(layer.diffID == Digest(of: tar.whole))
      #expect(try target.appending("a").readAll().count == 100_000)
    }
  }

  @Test("zstd's own checksum counts, but where a digest of all bytes is checked instead")
  func checksum() async throws {
    var tar = TarArchive()
    tar.add("a", content: "text")
    var frame = try await ChildProcess.run(["zstd", "-q", "-c", "--check"], input: .bytes(tar.whole)).stdout
    // The checksum is the last four bytes of a frame.
    frame[frame.count - 1] ^= 1
    try await withTarget { [frame] target, _ in
      let error = await #expect(throws: EngineError.self) { try await unpack(frame, into: target) }
      #expect(error?.kind == .corrupt)
    }
    try await withTarget { [frame, tar] target, _ in
      var options = UnpackOptions(overlayXattrs: .trusted)
      options.isCheckedByDigest = true
      let layer = try await unpack(frame, into: target, options: options)
      #expect(layer.diffID == Digest(of: tar.whole))
    }
  }

  @Test("an archive's own digest is told where it is wanted", arguments: ["", "gzip", "zstd"])
  func archiveDigest(compression: String) async throws {
    var tar = TarArchive()
    // Of pieces of all kinds: much comes of some, and some stay as they are.
    tar.add("a", content: String(repeating: "text ", count: 300_000))
    tar.add("b", content: String((0..<300_000).map { Character(UnicodeScalar(UInt8(33 + $0 &* $0 % 89))) }))
    let archive =
      compression.isEmpty
      ? tar.whole : try await ChildProcess.run([compression, "-c"], input: .bytes(tar.whole)).stdout
    try await withTarget { [archive, tar] target, _ in
      var options = UnpackOptions(overlayXattrs: .trusted)
      options.hashesArchive = true
      let layer = try await unpack(archive, into: target, pieces: 100_000, options: options)
      #expect(layer.archive == Digest(of: archive))
      #expect(layer.diffID == Digest(of: tar.whole))
    }
  }

  @Test(
    "CVE-2014-6407, invariant 8: what an archive says stays below its directory",
    arguments: [
      ("../outside/new", TarArchive.Kind.file, ""), ("/../../outside/new", .file, ""),
      ("a/../../outside/new", .file, ""),
      ("hard", .hardLink, "../outside/sentinel"), ("hard", .hardLink, "/../outside/sentinel"),
      ("hard", .hardLink, "a/../../outside/sentinel"),
    ])
  func names(path: String, kind: TarArchive.Kind, link: String) async throws {
    try await withTarget { target, outside in
      var tar = TarArchive()
      tar.add(path, kind, link: link, content: kind == .file ? "evil" : "")
      // Through the link that there is perhaps.
      tar.add(path, content: "evil")
      // Taken as below the root, or refused: both are fine as long as nothing outside changes.
      _ = try? await unpack(tar.whole, into: target)
      let sentinel = try status(outside.appending("sentinel"))
      #expect(sentinel.st_nlink == 1)
    }
  }

  @Test(
    "CVE-2014-6407, CVE-2014-9356, invariant 8: no symbolic link is followed, whatever comes after it",
    arguments: ["outside", "../outside", "../../outside", "/", "."])
  func symlinks(link: String) async throws {
    try await withTarget { target, outside in
      let entries: [(String, TarArchive.Kind, String)] = [
        ("x/sentinel", .file, ""), ("x/new", .file, ""), ("x/new", .directory, ""),
        ("copy", .hardLink, "x/sentinel"), ("x/.wh.sentinel", .file, ""), ("x/.wh..wh..opq", .file, ""),
        ("x/../sentinel", .file, ""), ("x", .file, ""), ("x/", .directory, ""),
      ]
      for (path, kind, to) in entries {
        var tar = TarArchive()
        // From the place of the first one, and from that of a directory in it.
        tar.add("x", .symlink, link: link == "outside" ? outside.string : link)
        tar.add(path, kind, link: to, content: kind == .file ? "evil" : "")
        tar.add("d/x", .symlink, link: link == "outside" ? outside.string + "/sentinel" : link + "/sentinel")
        tar.add("d/x", content: "evil")
        _ = try? await unpack(tar.whole, into: target)
        #expect(try status(outside.appending("sentinel")).st_nlink == 1)
        try removeTree(target)
        try makeDirectories(target, mode: 0o755)
      }
    }
  }

  @Test(
    "CVE-2021-29136: the layer's own root cannot become something else",
    arguments: [".", "./", "/", "/.", "a/.."])
  func root(path: String) async throws {
    try await withTarget { target, outside in
      var tar = TarArchive()
      tar.add(path, .symlink, link: outside.string)
      tar.add("new", content: "evil")
      tar.add("./sentinel", content: "evil")
      tar.add("/sentinel", content: "evil")
      _ = try? await unpack(tar.whole, into: target)
      let root = try status(target)
      #expect(root.st_mode & S_IFMT == S_IFDIR)
    }
  }

  @Test(
    "CVE-2025-47290: a directory that is exchanged for a link while a layer is unpacked leads none of it out",
    arguments: ["d", "d/e"])
  func exchangedPath(path: String) async throws {
    try await withTarget { target, outside in
      var tar = TarArchive()
      for index in 0..<2000 {
        tar.add("d/e/file\(index)", content: "evil", mode: 0o600, uid: 1)
        tar.add("d/e/link\(index)", .hardLink, link: "d/e/file\(index)")
        tar.add("d/e/to\(index)", .symlink, link: "x", uid: 1)
        tar.add("d/e/sub\(index)/", .directory, mode: 0o700)
        // The directory is opened anew after it.
        tar.add("other\(index)/f", content: "x")
        tar.add("d/e/.wh.sentinel")
      }
      let archive = tar.whole
      let (victim, link) = (target.appending(path), target.removingLastComponent().appending("link"))
      @Sendable func restore() throws {
        guard fileKind(link) != .symbolicLink else { return }
        try removeTree(link)
        try call("symlink", on: link.string) { symlink(outside.string, link.string) }
      }
      try restore()
      let state = Mutex((isUnpacking: true, swaps: 0))
      async let swapping: Void = onBlockingThread("swap") {
        while state.withLock({ $0.isUnpacking }) {
          guard (try? exchange(link, victim)) != nil else { continue }
          state.withLock { $0.swaps += 1 }
          try? exchange(link, victim)
          // What was unpacked meanwhile took the link's place, and has its name. It may be growing just now.
          try? restore()
        }
      }
      // That thread may have its first turn late.
      for round in 0..<1000 where round < 5 || state.withLock({ $0.swaps == 0 }) {
        _ = try? await unpack(archive, into: target, pieces: 64 << 10)
      }
      state.withLock { $0.isUnpacking = false }
      try await swapping
      #expect(state.withLock { $0.swaps } > 0)
    }
  }

  @Test("an archive that ends early is corrupt", arguments: [100, 512, 700, 1100])
  func truncated(count: Int) async throws {
    try await withTarget { target, _ in
      var tar = TarArchive()
      tar.add("a", content: String(repeating: "x", count: 600))
      let error = await #expect(throws: EngineError.self) {
        try await unpack(Array(tar.whole.prefix(count)), into: target)
      }
      #expect(error?.kind == .corrupt)
    }
  }

  @Test("a file that grows beyond all measure is refused before it fills the disk")
  func bomb() async throws {
    try await withTarget { target, _ in
      let zeros = try await ChildProcess.run(["sh", "-c", "head -c 20000000 /dev/zero | gzip -9"]).stdout
      var options = UnpackOptions(overlayXattrs: .trusted)
      options.limits.ratioFrom = 1 << 20
      let error = await #expect(throws: EngineError.self) {
        try await unpack(zeros, into: target, options: options)
      }
      #expect(error?.kind == .corrupt)
    }
  }

  @Test("a full disk is noSpace", .requires(.mount))
  func fullDisk() async throws {
    try await withSmallFileSystem(bytes: 256 << 10) { directory in
      var tar = TarArchive()
      tar.add("big", content: String(repeating: "x", count: 1 << 20))
      let error = await #expect(throws: EngineError.self) { try await unpack(tar.whole, into: directory) }
      #expect(error?.kind == .noSpace)
    }
  }

  @Test("invariant 3: a layer that leans on those below says so")
  func dependencies() async throws {
    try await withTarget { target, _ in
      var tar = TarArchive()
      tar.add("usr/lib/new", content: "x")
      tar.add("alias", .hardLink, link: "usr/lib/old")
      let layer = try await unpack(tar.whole, into: target)
      let dependencies = try #require(layer.dependencies)
      #expect(dependencies.impliedDirectories == [Array("usr".utf8), Array("usr/lib".utf8)])
      #expect(dependencies.links.map(\.path) == [Array("alias".utf8)])
      let lower = target.removingLastComponent().appending("lower")
      try makeDirectories(lower.appending("usr/lib"), mode: 0o700)
      try lower.appending("usr/lib/old").write("old".utf8)
      try await onBlockingThread("resolve") {
        try resolveDependencies(dependencies, in: target, [lower])
      }
      #expect(try String(decoding: target.appending("alias").readAll(), as: UTF8.self) == "old")
      #expect(try status(target.appending("usr/lib")).st_mode & 0o7777 == 0o700)
    }
  }
}

@Suite("The difference of a container", .requires(.root))
struct DiffTests {
  @Test(
    "what is written as a layer unpacks to the same tree, whiteouts included, and twice to the same bytes")
  func roundTrip() async throws {
    try await withTarget { target, _ in
      var lower = TarArchive()
      lower.add("etc/", .directory, mode: 0o755)
      lower.add("etc/gone", content: "1")
      lower.add("etc/kept", content: "2")
      let base = target.removingLastComponent().appending("base")
      try makeDirectories(base, mode: 0o755)
      try await unpack(lower.whole, into: base)

      var upper = TarArchive()
      upper.add("etc/", .directory, mode: 0o755)
      upper.add("etc/.wh.gone")
      upper.add("etc/new", content: "3", mode: 0o600, uid: 5)
      upper.add("etc/again", .hardLink, link: "etc/new")
      upper.add("opt/", .directory, mode: 0o700)
      upper.add("opt/.wh..wh..opq")
      try await unpack(upper.whole, into: target)

      let changes = try LayerDiff.changes(upper: target, lowers: [base])
      #expect(changes.map(\.path) == ["/etc", "/etc/again", "/etc/gone", "/etc/new", "/opt"])
      #expect(changes.first { $0.path == "/etc/gone" }?.kind == .deleted)
      #expect(changes.first { $0.path == "/etc/new" }?.kind == .added)

      let first = try await archive(target, base)
      #expect(try await archive(target, base) == first)
      let copy = target.removingLastComponent().appending("copy")
      try makeDirectories(copy, mode: 0o755)
      try await unpack(first, into: copy)
      let gone = try status(copy.appending("etc/gone"))
      #expect(gone.st_mode & S_IFMT == S_IFCHR && gone.st_rdev == 0)
      let new = try status(copy.appending("etc/new"))
      #expect(new.st_mode & 0o7777 == 0o600 && new.st_uid == 5 && new.st_nlink == 2)
      #expect(try status(copy.appending("opt")).st_mode & 0o7777 == 0o700)
    }
  }

  @Test("a tree of any depth is gone through, and left out where its names are longer than any path")
  func depth() async throws {
    try await withTarget { target, _ in
      let script = """
        import os, sys
        os.chdir(sys.argv[1])
        for level in range(20000): os.mkdir("d"); os.chdir("d")
        """
      let made = try await ChildProcess.run(["python3", "-c", script, target.string])
      #expect(made.succeeded, "\(made.errorText)")
      try target.appending("last").write("x".utf8)
      let deepest = (EntryPath.longestPath + 1) / 2
      let (changes, warnings, layer, merged) = try await onBlockingThread("diff") {
        var (layer, merged) = ([UInt8](), [UInt8]())
        var warnings: [String] = []
        let changes = try LayerDiff.changes(upper: target, lowers: [])
        try LayerDiff.write(
          upper: target, lowers: [], overlayXattrs: .trusted, warn: { warnings.append($0) }
        ) { layer += $0 }
        try MergedTree([target]).write(overlayXattrs: .trusted) { merged += $0 }
        return (changes, warnings, layer, merged)
      }
      #expect(changes.count == deepest + 1 && changes.last?.path == "/last")
      #expect(warnings.count == 1 && warnings.first?.contains("4095") == true)
      #expect(merged == layer)
      let copy = target.removingLastComponent().appending("copy")
      try makeDirectories(copy, mode: 0o755)
      #expect(try await unpack(layer, into: copy, pieces: 64 << 10).entries == deepest + 1)
      let difference = try await onBlockingThread("compare") {
        try TreeComparison { false }.difference(of: copy, from: copy)
      }
      #expect(difference == nil)
    }
  }

  private func archive(_ upper: FilePath, _ lower: FilePath) async throws -> [UInt8] {
    try await onBlockingThread("diff") {
      var bytes: [UInt8] = []
      try LayerDiff.write(upper: upper, lowers: [lower], overlayXattrs: .trusted) { bytes += $0 }
      return bytes
    }
  }
}
