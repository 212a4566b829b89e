import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing

@Suite struct RemoveTreeTests {
  @Test func `all kinds of entries go, and what links point to stays`() throws {
    try withTemporaryDirectory { scratch in
      let outside = scratch.appending("outside")
      mkdir(outside.string, 0o755)
      #expect(creat(outside.appending("sentinel").string, 0o644) >= 0)
      let tree = scratch.appending("tree")
      mkdir(tree.string, 0o755)
      mkdir(tree.appending("sub").string, 0o755)
      #expect(creat(tree.appending("sub/file").string, 0o000) >= 0)
      #expect(mkfifo(tree.appending("fifo").string, 0o600) == 0)
      #expect(symlink(outside.string, tree.appending("sub/link").string) == 0)
      #expect(symlink("..", tree.appending("sub/up").string) == 0)
      #expect(link(outside.appending("sentinel").string, tree.appending("hard").string) == 0)

      try removeTree(tree)

      #expect(access(tree.string, F_OK) == -1)
      #expect(access(outside.appending("sentinel").string, F_OK) == 0)
    }
  }

  @Test func `a symbolic link is removed itself`() throws {
    try withTemporaryDirectory { scratch in
      mkdir(scratch.appending("real").string, 0o755)
      symlink("real", scratch.appending("link").string)
      try removeTree(scratch.appending("link"))
      #expect(access(scratch.appending("link").string, F_OK) == -1)
      #expect(access(scratch.appending("real").string, F_OK) == 0)
    }
  }

  @Test func `what is not there is no error`() throws {
    try withTemporaryDirectory { scratch in
      try removeTree(scratch.appending("nothing"))
      try removeTree(scratch.appending("nothing/below"))
    }
  }

  @Test func `a tree deeper than any path goes with few descriptors`() throws {
    try withTemporaryDirectory { scratch in
      // 6,000 levels make a path of 12,000 bytes: no call takes it whole.
      var directory = try openDirectory(scratch)
      for _ in 0..<6000 {
        try directory.descriptor.makeDirectory("d", permissions: 0o755)
        directory = try directory.descriptor.openDirectoryBeneath("d")
      }
      try removeTree(scratch.appending("d"))
      let left = try openDirectory(scratch)
      #expect(try left.descriptor.sortedEntries().isEmpty)
    }
  }

  @Test func `directories with thousands of entries go`() throws {
    try withTemporaryDirectory { scratch in
      let tree = scratch.appending("tree")
      mkdir(tree.string, 0o755)
      let directory = try openDirectory(tree)
      for number in 0..<3000 {
        try directory.descriptor.makeDirectory("entry-with-a-long-name-\(number)", permissions: 0o700)
      }
      try removeTree(tree)
      #expect(access(tree.string, F_OK) == -1)
    }
  }
}
