import EngineErrors
import Glibc
import LinuxSystem
import OCIModel
import SystemPackage
import TestSupport
import Testing

@testable import Layers

/// - Parameter text: part of what the error says.
private func expectCorrupt(
  _ bytes: [UInt8], _ text: String, options: UnpackOptions = .init(overlayXattrs: .trusted),
  _ location: SourceLocation = #_sourceLocation
) async throws {
  try await withTarget { target, _ in
    let error = await #expect(throws: EngineError.self, sourceLocation: location) {
      try await unpack(bytes, into: target, pieces: 64 << 10, options: options)
    }
    #expect(error?.kind == .corrupt, sourceLocation: location)
    let all = [error?.description ?? "", error?.hint ?? ""].joined(separator: " ")
    #expect(all.contains(text), "\(all)", sourceLocation: location)
  }
}

@Suite("Hostile archives", .requires(.root))
struct HostileArchiveTests {
  @Test("a path 300 directories deep is unpacked, replaced and removed")
  func deep() async throws {
    try await withTarget { target, _ in
      let path = (0..<300).map { "d\($0)" }.joined(separator: "/")
      var tar = TarArchive()
      tar.addAttributes([("path", path + "/file")])
      tar.add("short", content: "deep")
      try await unpack(tar.whole, into: target)
      #expect(try String(decoding: target.appending(path + "/file").readAll(), as: UTF8.self) == "deep")
      tar.add("d0", content: "a file where the tree was")
      try removeTree(target)
      try makeDirectories(target, mode: 0o755)
      let layer = try await unpack(tar.whole, into: target)
      #expect(try status(target.appending("d0")).st_mode & S_IFMT == S_IFREG)
      // Implied, but not there any more: nothing is looked for below.
      let lower = target.removingLastComponent().appending("lower")
      try makeDirectories(lower.appending("d0/d1"), mode: 0o700)
      let dependencies = try #require(layer.dependencies)
      try await onBlockingThread("resolve") {
        try resolveDependencies(dependencies, in: target, [lower])
      }
      #expect(try status(target.appending("d0")).st_mode & 0o777 == 0o644)
    }
  }

  @Test(
    "a name that the kernel does not take is corrupt, and says how long it is",
    arguments: [256, 4096, 70_000])
  func longNames(count: Int) async throws {
    let name = String(repeating: "n", count: count)
    var pax = TarArchive()
    pax.addAttributes([("path", name)])
    pax.add("short")
    try await expectCorrupt(pax.whole, "has \(count) bytes")
    var gnu = TarArchive()
    gnu.add("././@LongLink", .longName, content: name)
    gnu.add("short")
    try await expectCorrupt(gnu.whole, "has \(count) bytes")
    var link = TarArchive()
    link.add("././@LongLink", .longLink, content: name)
    link.add("short", .hardLink, link: "x")
    try await expectCorrupt(link.whole, "has \(count) bytes")
  }

  @Test("links that lengthen each other's paths end at the kernel's longest path")
  func growingLinks() async throws {
    let part = String(repeating: "p/", count: 1000)
    var tar = TarArchive()
    for index in 0..<30 {
      tar.addAttributes([("linkpath", part + "l\(index + 1)")])
      tar.add("l\(index)", .symlink, link: "x")
    }
    tar.add(String(repeating: "l0/", count: 20) + "file")
    try await withTarget { [tar] target, _ in
      let layer = try? await unpack(tar.whole, into: target)
      #expect((layer?.dependencies?.impliedDirectories.map(\.count).max() ?? 0) <= 4095)
    }
    var circle = TarArchive()
    circle.add("a", .symlink, link: "b")
    circle.add("b", .symlink, link: "a")
    circle.add("a/file")
    try await expectCorrupt(circle.whole, "circles")
  }

  @Test("the last entry of a name wins, whatever kinds there were before it")
  func duplicates() async throws {
    let kinds: [TarArchive.Kind] = [.file, .directory, .symlink, .fifo, .hardLink, .character]
    for first in kinds {
      for second in kinds {
        try await withTarget { target, _ in
          var tar = TarArchive()
          tar.add("other", content: "other", mode: 0o600)
          for (kind, mode) in [(first, 0o700), (second, 0o750)] {
            tar.add(
              "n", kind, link: kind == .hardLink ? "other" : "/etc/passwd",
              content: kind == .file ? "new" : "",
              mode: mode, device: (1, 3))
            if kind == .directory { tar.add("n/inside", content: "in") }
          }
          try await unpack(tar.whole, into: target)
          let found = try status(target.appending("n"))
          let expected: [TarArchive.Kind: mode_t] = [
            .file: S_IFREG, .hardLink: S_IFREG, .directory: S_IFDIR, .symlink: S_IFLNK, .fifo: S_IFIFO,
            .character: S_IFCHR,
          ]
          #expect(found.st_mode & S_IFMT == expected[second], "\(first), \(second)")
          if second == .file { #expect(found.st_nlink == 1 && found.st_size == 3) }
          if second == .hardLink { #expect(found.st_nlink == 2 && found.st_size == 5) }
          #expect(try target.appending("other").readAll() == Array("other".utf8))
        }
      }
    }
  }

  @Test(
    "a hard link to itself is the file; one to what it replaces, to a directory or to a whiteout is corrupt")
  func links() async throws {
    try await withTarget { target, _ in
      var tar = TarArchive()
      tar.add("a", content: "kept")
      tar.add("a", .hardLink, link: "./a")
      try await unpack(tar.whole, into: target)
      #expect(try target.appending("a").readAll() == Array("kept".utf8))
    }
    var swallowed = TarArchive()
    swallowed.add("d/file", content: "x")
    swallowed.add("d", .hardLink, link: "d/file")
    try await expectCorrupt(swallowed.whole, "cannot unpack d")
    var directory = TarArchive()
    directory.add("d", .directory, mode: 0o755)
    directory.add("l", .hardLink, link: "d")
    try await expectCorrupt(directory.whole, "to a directory")
    try await withTarget { target, _ in
      var whiteout = TarArchive()
      whiteout.add(".wh.gone")
      whiteout.add("l", .hardLink, link: "gone")
      whiteout.add("l2", .hardLink, link: "l")
      let layer = try await unpack(whiteout.whole, into: target)
      let dependencies = try #require(layer.dependencies)
      #expect(dependencies.links.map(\.target) == [Array("gone".utf8), Array("gone".utf8)])
      let error = await #expect(throws: EngineError.self) {
        try await onBlockingThread("resolve") {
          try resolveDependencies(dependencies, in: target, [])
        }
      }
      #expect(error?.kind == .corrupt)
    }
  }

  @Test("a link into a lower layer that a later entry replaces is not made")
  func replacedLink() async throws {
    try await withTarget { target, _ in
      var tar = TarArchive()
      tar.add("l", .hardLink, link: "below")
      tar.add("l", content: "own")
      let layer = try await unpack(tar.whole, into: target)
      #expect(layer.dependencies == nil)
      #expect(try target.appending("l").readAll() == Array("own".utf8))
    }
  }

  @Test("what lies in a whiteout is left out with a warning")
  func insideWhiteouts() async throws {
    try await withTarget { target, _ in
      var tar = TarArchive()
      tar.add(".wh..wh.plnk/12.34", content: "x")
      tar.add(".wh.gone/file", content: "x")
      let layer = try await unpack(tar.whole, into: target)
      #expect(layer.warnings.count == 2 && layer.dependencies == nil)
      let names = try FlatDirectory(target).names()
      #expect(names == [])
    }
  }

  @Test("a size that is a lie ends the archive early, or is refused", arguments: [1 << 20, 0o77777777777])
  func lies(size: Int) async throws {
    var tar = TarArchive()
    tar.add("a", content: "little", size: size)
    try await expectCorrupt(tar.whole, "cannot read the archive")
  }

  @Test(
    "bytes after the end of a compressed layer are corrupt; zeroes after gzip are padding",
    arguments: ["gzip", "zstd"])
  func trailing(program: String) async throws {
    var tar = TarArchive()
    tar.add("a", content: "text")
    let bytes = try await ChildProcess.run([program, "-q", "-c"], input: .bytes(tar.whole)).stdout
    try await expectCorrupt(bytes + Array("garbage".utf8), "cannot decompress the layer")
    try await expectCorrupt(Array(bytes.dropLast(3)), "cannot decompress the layer")
    try await withTarget { [tar] target, _ in
      if program == "gzip" {
        let padded = bytes + [UInt8](repeating: 0, count: 3 << 20)
        let layer = try await unpack(padded, into: target)
        #expect(layer.diffID == Digest(of: tar.whole))
      }
    }
    // Bytes after the end of the archive itself are part of what the DiffID names, and of no file.
    try await withTarget { [tar] target, _ in
      let garbage = tar.whole + Array("garbage".utf8)
      let layer = try await unpack(garbage, into: target)
      let names = try FlatDirectory(target).names()
      #expect(layer.diffID == Digest(of: garbage) && names == ["a"])
    }
  }

  @Test("numbers that no file has are refused or taken as the kernel's nearest")
  func numbers() async throws {
    for (name, value) in [("uid", "4294967295"), ("gid", "9223372036854775807"), ("uid", "-1")] {
      try await withTarget { target, _ in
        var tar = TarArchive()
        tar.addAttributes([(name, value)])
        tar.add("whose", content: "x")
        do {
          try await unpack(tar.whole, into: target)
          // Libarchive reads no negative number there, and takes the one of the plain header.
          #expect(value == "-1")
        } catch {
          let error = try #require(error as? EngineError)
          #expect(error.kind == .unsupported && error.subject == "whose" && error.message.contains(value))
        }
      }
    }
    for time in ["99999999999999999999999", "-99999999999", "9223372036854775807.999999999"] {
      try await withTarget { target, _ in
        var tar = TarArchive()
        tar.addAttributes([("mtime", time)])
        tar.add("when", content: "x")
        try await unpack(tar.whole, into: target)
        #expect(try target.appending("when").readAll() == Array("x".utf8))
      }
    }
  }
}
