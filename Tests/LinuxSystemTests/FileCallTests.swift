import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing

@Suite struct FileCallTests {
  @Test func `a file is made once, and never through a link`() throws {
    try withTemporaryDirectory { scratch in
      let directory = try openDirectory(scratch)
      symlink("target", scratch.appending("link").string)
      #expect { _ = try directory.descriptor.createFile("link", permissions: 0o644) } throws: {
        ($0 as? SystemError)?.errno == .fileExists
      }
      #expect(access(scratch.appending("target").string, F_OK) == -1)
      #expect { _ = try directory.descriptor.openBeneath("link", flags: O_RDONLY) } throws: {
        ($0 as? SystemError)?.errno == .tooManySymbolicLinkLevels
      }
    }
  }

  @Test func `times keep their nanoseconds, before the epoch too`() throws {
    try withTemporaryDirectory { scratch in
      let directory = try openDirectory(scratch)
      for time in [
        FileTime(seconds: 1_700_000_000, nanoseconds: 123_456_789), FileTime(seconds: -2, nanoseconds: 1),
      ] {
        let file = try directory.descriptor.createFile("f\(time.seconds)", permissions: 0o600)
        try file.descriptor.setTimes(time)
        #expect(try file.descriptor.status().modified == time)
      }
      symlink("nowhere", scratch.appending("l").string)
      try directory.descriptor.setTimes(of: "l", FileTime(seconds: 7, nanoseconds: 8))
      #expect(try directory.descriptor.status(of: "l")?.modified == FileTime(seconds: 7, nanoseconds: 8))
    }
  }

  @Test func `a link's target and what is no link`() throws {
    try withTemporaryDirectory { scratch in
      let directory = try openDirectory(scratch)
      let target = String(repeating: "t/", count: 2000)
      try directory.descriptor.makeSymbolicLink("l", to: target)
      #expect(try directory.descriptor.linkTarget(of: "l") == Array(target.utf8))
      try directory.descriptor.makeDirectory("d", permissions: 0o700)
      #expect(try directory.descriptor.linkTarget(of: "d") == nil)
      #expect(try directory.descriptor.linkTarget(of: "none") == nil)
    }
  }

  @Test func `a rename does not replace unless told to`() throws {
    try withTemporaryDirectory { scratch in
      let directory = try openDirectory(scratch).release()
      defer { try? directory.close() }
      for name in ["a", "b"] { try _ = directory.createFile(name, permissions: 0o600) }
      #expect { try directory.rename("a", to: "b", in: directory) } throws: {
        ($0 as? SystemError)?.errno == .fileExists
      }
      try directory.rename("a", to: "b", in: directory, replacing: true)
      #expect(try directory.sortedEntries().map(\.name) == [Array("b".utf8)])
    }
  }

  @Test func `entries come sorted by bytes, with their kinds`() throws {
    try withTemporaryDirectory { scratch in
      let directory = try openDirectory(scratch)
      for name in ["b", "a", "é", "B", "a.b"] {
        _ = try directory.descriptor.createFile(name, permissions: 0o600)
      }
      try directory.descriptor.makeDirectory("dir", permissions: 0o700)
      let entries = try directory.descriptor.sortedEntries()
      #expect(entries.map { String(decoding: $0.name, as: UTF8.self) } == ["B", "a", "a.b", "b", "dir", "é"])
      #expect(entries[4].kind == .directory)
    }
  }

  @Test func `attributes are set, listed, read and removed`() throws {
    try withTemporaryDirectory { scratch in
      let directory = try openDirectory(scratch)
      let file = try directory.descriptor.createFile("f", permissions: 0o600)
      let long = [UInt8](repeating: 7, count: 2000)
      try long.withUnsafeBytes { try file.descriptor.setExtendedAttribute("user.long", $0) }
      try [UInt8]().withUnsafeBytes { try file.descriptor.setExtendedAttribute("user.empty", $0) }
      #expect(
        try file.descriptor.extendedAttributeNames() == ["user.empty", "user.long"].map { Array($0.utf8) })
      #expect(try file.descriptor.extendedAttribute("user.long") == long)
      #expect(try directory.descriptor.extendedAttribute("user.long", of: "f") == long)
      #expect(try file.descriptor.extendedAttribute("user.empty") == [])
      #expect(try file.descriptor.extendedAttribute("user.none") == nil)
      #expect(try directory.descriptor.extendedAttributeNames(of: "f").count == 2)
    }
  }

  @Test(.requires(.mount)) func `a full disk is told as such`() async throws {
    try await withSmallFileSystem(bytes: 64 << 10) { directory in
      let directory = try openDirectory(directory)
      let file = try directory.descriptor.createFile("f", permissions: 0o600)
      let bytes = [UInt8](repeating: 1, count: 1 << 20)
      #expect { try bytes.withUnsafeBytes { try file.descriptor.writeFully($0) } } throws: {
        ($0 as? SystemError)?.errno == .noSpace
      }
    }
  }
}
