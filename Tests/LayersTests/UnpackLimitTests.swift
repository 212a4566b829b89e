import EngineErrors
import LinuxSystem
import OCIModel
import SystemPackage
import TestSupport
import Testing

@testable import Layers

@Suite("Limits on unpacking", .requires(.root))
struct UnpackLimitTests {
  private func expectRefused(
    _ bytes: [UInt8], _ hint: String = "the", _ change: (inout UnpackLimits) -> Void = { _ in }
  )
    async throws
  {
    var options = UnpackOptions(overlayXattrs: .trusted)
    change(&options.limits)
    let limited = options
    try await withTarget { target, _ in
      let error = await #expect(throws: EngineError.self) {
        try await unpack(bytes, into: target, pieces: 64 << 10, options: limited)
      }
      #expect(error?.kind == .corrupt)
      #expect(error?.hint?.contains(hint) == true, "\(error?.description ?? ""), \(error?.hint ?? "")")
    }
  }

  @Test("too many bytes, plain or compressed", arguments: ["cat", "gzip -c", "zstd -q -c"])
  func bytes(program: String) async throws {
    var tar = TarArchive()
    tar.add("a", content: String(repeating: "x", count: 2 << 20))
    let bytes = try await ChildProcess.run(["sh", "-c", program], input: .bytes(tar.whole)).stdout
    try await expectRefused(bytes, "--unpack-bytes") { $0.bytes = 2 << 20 }
    try await withTarget { [tar] target, _ in
      var options = UnpackOptions(overlayXattrs: .trusted)
      options.limits.bytes = Int64(tar.whole.count)
      let layer = try await unpack(bytes, into: target, pieces: 64 << 10, options: options)
      #expect(layer.uncompressedSize == Int64(tar.whole.count))
    }
  }

  @Test(
    "CVE-2017-14992: endless padding in gzip and zstd is stopped by the defaults not far beyond 1 GiB",
    arguments: ["gzip -9", "zstd"])
  func bombs(program: String) async throws {
    let part = try await ChildProcess.run(["sh", "-c", "head -c 40M /dev/zero | \(program) -q -c"]).stdout
    var tar = TarArchive()
    tar.add("a", content: "text")
    let whole = try await ChildProcess.run(["sh", "-c", "\(program) -q -c"], input: .bytes(tar.whole)).stdout
    // Members and frames follow each other.
    let padded = whole + (0..<30).flatMap { _ in part }
    try await expectRefused(padded, "--unpack-ratio")
  }

  @Test("too many entries, those that are only implied included")
  func entries() async throws {
    var tar = TarArchive()
    for index in 0..<11 { tar.add("f\(index)") }
    try await expectRefused(tar.whole, "--unpack-entries") { $0.entries = 10 }
    var deep = TarArchive()
    deep.add("a/b/c/d/e/f/g/h/i/j/k")
    try await expectRefused(deep.whole, "--unpack-entries") { $0.entries = 10 }
  }

  @Test("names that would have to be remembered are limited, and repeating one costs nothing")
  func names() async throws {
    var tar = TarArchive()
    for _ in 0..<100 { tar.add("again", .directory, mode: 0o755) }
    let once = tar
    try await withTarget { target, _ in
      var options = UnpackOptions(overlayXattrs: .trusted)
      options.limits.names = 100
      try await unpack(once.whole, into: target, options: options)
    }
    for index in 0..<20 { tar.add("directory\(index)", .directory, mode: 0o755) }
    try await expectRefused(tar.whole, "hostile") { $0.names = 100 }
    var links = TarArchive()
    for index in 0..<20 { links.add("l\(index)", .hardLink, link: "below") }
    try await expectRefused(links.whole, "hostile") { $0.names = 100 }
  }

  @Test(
    "a header of endless parts ends the archive and not the process",
    arguments: [TarArchive.Kind.longName, .global, .attributes])
  func headers(kind: TarArchive.Kind) async throws {
    var tar = TarArchive()
    tar.add("first", content: "x")
    var part = TarArchive()
    part.add("part", kind, content: kind == .longName ? "name" : "11 path=abc\n")
    for _ in 0..<300_000 { tar.append(part) }
    tar.add("last", content: "x")
    // Libarchive itself may refuse such an archive earlier: what counts is that it is refused.
    try await expectRefused(tar.whole)
  }

  @Test("a map of holes without end takes no memory")
  func sparseMap() async throws {
    var map = "4000000\n"
    for _ in 0..<4_000_000 { map += "0\n0\n" }
    var tar = TarArchive()
    tar.addAttributes([
      ("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.name", "sparse"),
      ("GNU.sparse.realsize", "1000000"),
    ])
    tar.add("sparse", content: map)
    try await expectRefused(tar.whole, "hostile")
  }

  @Test("a zstd window beyond the limit is refused, within a higher one it is taken")
  func zstdWindow() async throws {
    var tar = TarArchive()
    tar.add("a", content: String(repeating: "x", count: 3 << 20))
    let frame = try await ChildProcess.run(
      ["zstd", "-q", "-c", "--ultra", "-22", "--long=28"], input: .bytes(tar.whole)
    ).stdout
    try await expectRefused(frame, "--unpack-zstd-window")
    try await withTarget { [tar] target, _ in
      var options = UnpackOptions(overlayXattrs: .trusted)
      options.limits.zstdWindowLog = 28
      let layer = try await unpack(frame, into: target, options: options)
      #expect(layer.diffID == Digest(of: tar.whole))
    }
  }

  @Test("an attribute that no file can have is refused with its name and size")
  func attributes() async throws {
    for (name, value) in [("user.big", 70_000), ("user." + String(repeating: "n", count: 300), 1)] {
      var tar = TarArchive()
      tar.addAttributes([("SCHILY.xattr.\(name)", String(repeating: "v", count: value))])
      tar.add("a", content: "x")
      try await expectRefused(tar.whole, "hostile")
    }
    // More than libarchive itself takes as one header.
    var huge = TarArchive()
    huge.addAttributes([("SCHILY.xattr.user.huge", String(repeating: "v", count: 8 << 20))])
    huge.add("a", content: "x")
    try await expectRefused(huge.whole)
  }
}
