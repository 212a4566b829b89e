import CLinux
import EngineErrors
import Foundation
import Glibc
import LinuxSystem
import Runner
import Synchronization
import SystemPackage
import TestSupport
import Testing

@Suite("users of a root file system")
struct UserDatabaseTests {
  private func layer(_ directory: FilePath, passwd: String? = nil, group: String? = nil) throws -> FilePath {
    let etc = directory.appending("etc").string
    try FileManager.default.createDirectory(atPath: etc, withIntermediateDirectories: true)
    for (name, content) in [("passwd", passwd), ("group", group)] {
      try content?.write(toFile: "\(etc)/\(name)", atomically: false, encoding: .utf8)
    }
    return directory
  }

  private func uid(_ name: String, _ layers: FilePath...) -> UInt32? {
    try? UserDatabase(layers: layers).resolve(name).uid
  }

  @Test("each file is of the uppermost layer that has it, until one hides those below")
  func layers() async throws {
    try await withTemporaryDirectory { directory in
      let lower = try layer(
        directory.appending("lower"), passwd: "a:x:7:8::/:/bin/sh\n", group: "g:x:70:a\n")
      let upper = try layer(directory.appending("upper"), passwd: "a:x:9:8::/home/a:/bin/sh\n")
      #expect(uid("a", lower) == 7)
      let user = try UserDatabase(layers: [upper, lower]).resolve("a")
      #expect(user.uid == 9 && user.gid == 8 && user.groups == [70] && user.home == "/home/a")
      #expect(uid("a", directory.appending("nothing"), lower) == 7)
      let empty = try layer(directory.appending("empty"))
      #expect(uid("a", empty, lower) == 7)
      #expect(setxattr(empty.appending("etc").string, "user.overlay.opaque", "y", 1, 0) == 0)
      #expect(uid("a", empty, lower) == nil)
      let file = directory.appending("file")
      try FileManager.default.createDirectory(atPath: file.string, withIntermediateDirectories: false)
      try Data().write(to: URL(fileURLWithPath: file.appending("etc").string))
      #expect(uid("a", file, lower) == nil)
    }
  }

  @Test("no link is followed, no FIFO waited for, and nothing long is read")
  func hostile() async throws {
    try await withTemporaryDirectory { directory in
      let outside = try layer(directory.appending("outside"), passwd: "a:x:7:8::/:/bin/sh\n")
      let passwd = outside.appending("etc/passwd").string
      let linked = try layer(directory.appending("linked"))
      #expect(symlink(passwd, linked.appending("etc/passwd").string) == 0)
      #expect(uid("a", linked, outside) == nil)
      let fifo = try layer(directory.appending("fifo"))
      #expect(mkfifo(fifo.appending("etc/passwd").string, 0o600) == 0)
      #expect(uid("a", fifo, outside) == nil)
      let long = try layer(
        directory.appending("long"), passwd: "a:x:7:8::/:\n" + String(repeating: "#", count: 1 << 20))
      #expect(uid("a", long) == nil)
      let directoryLink = directory.appending("etclink")
      try FileManager.default.createDirectory(
        atPath: directoryLink.string, withIntermediateDirectories: false)
      #expect(symlink(outside.appending("etc").string, directoryLink.appending("etc").string) == 0)
      #expect(uid("a", directoryLink, outside) == nil)
    }
  }

  @Test("a container that exchanges its /etc for a link meanwhile leads nobody out of it")
  func exchanged() async throws {
    try await withTemporaryDirectory { directory in
      let outside = try layer(directory.appending("outside"), passwd: "outside:x:7:8::/:/bin/sh\n")
      let inside = try layer(directory.appending("inside"), passwd: "inside:x:9:8::/:/bin/sh\n")
      let (etc, link) = (inside.appending("etc").string, inside.appending("link").string)
      #expect(symlink(outside.appending("etc").string, link) == 0)
      let state = Mutex((isLooking: true, exchanges: 0))
      async let exchanging: Void = onBlockingThread("exchange") {
        while state.withLock({ $0.isLooking }) {
          _ = clinux_renameat2(AT_FDCWD, etc, AT_FDCWD, link, 2)  // RENAME_EXCHANGE
          state.withLock { $0.exchanges += 1 }
        }
      }
      var seen = 0
      // That thread may have its first turn late.
      for round in 0..<1_000_000 where round < 5000 || state.withLock({ $0.exchanges < 100 }) {
        #expect(uid("outside", inside) == nil)
        if uid("inside", inside) == 9 { seen += 1 }
      }
      state.withLock { $0.isLooking = false }
      try await exchanging
      #expect(state.withLock { $0.exchanges } >= 100)
      #expect(seen > 0)
    }
  }
}
