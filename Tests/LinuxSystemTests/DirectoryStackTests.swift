import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing

@Suite struct DirectoryStackTests {
  @Test func `it goes down, up and sideways`() throws {
    try withTemporaryDirectory { scratch in
      let root = try openDirectory(scratch)
      for path in ["a", "a/b", "a/c"] { mkdir(scratch.appending(path).string, 0o755) }
      var stack = DirectoryStack(root: root.descriptor, readable: false)
      try stack.enter(Array("a".utf8CString))
      try stack.enter(Array("b".utf8CString))
      #expect(stack.currentPath == Array("a/b".utf8))
      let isB = stack.component(1, is: Array("b".utf8)[...])
      #expect(isB)
      stack.leave(to: 1)
      try stack.enter(Array("c".utf8CString))
      #expect(stack.currentPath == Array("a/c".utf8))
      stack.leave(to: 0)
      #expect(stack.currentPath.isEmpty)
      #expect(try stack.descriptor().rawValue == root.descriptor.rawValue)
    }
  }

  @Test(arguments: [".", "..", "link", "up", "/", "a/../.."])
  func `what leads elsewhere is refused`(name: String) throws {
    try withTemporaryDirectory { scratch in
      let inside = scratch.appending("inside")
      mkdir(inside.string, 0o755)
      mkdir(inside.appending("a").string, 0o755)
      symlink("/", inside.appending("link").string)
      symlink("..", inside.appending("up").string)
      let root = try openDirectory(inside)
      var stack = DirectoryStack(root: root.descriptor, readable: true)
      // `.` stays where it is, which is no way out; all others fail in the kernel.
      if name == "." {
        try stack.enter(Array(name.utf8CString))
        #expect(try stack.descriptor().status().identity == root.descriptor.status().identity)
      } else {
        #expect(throws: SystemError.self) { try stack.enter(Array(name.utf8CString)) }
        #expect(stack.depth == 0)
      }
    }
  }

  @Test func `levels far below keep the ones above reachable`() throws {
    try withTemporaryDirectory { scratch in
      let root = try openDirectory(scratch)
      var stack = DirectoryStack(root: root.descriptor, readable: true)
      var identities: [FileIdentity] = []
      for level in 0..<300 {
        try stack.descriptor().makeDirectory("level\(level)", permissions: 0o755)
        try stack.enter(Array("level\(level)".utf8CString))
        identities.append(try stack.descriptor().status().identity)
      }
      for level in (0..<300).reversed() {
        stack.leave(to: level + 1)
        #expect(try stack.descriptor().status().identity == identities[level])
      }
    }
  }

  @Test func `with another limit, levels beyond the kernel's are reached in steps`() throws {
    try withTemporaryDirectory { scratch in
      let root = try openDirectory(scratch)
      var stack = DirectoryStack(root: root.descriptor, readable: true, limit: .max)
      var identities: [FileIdentity] = []
      for level in 0..<120 {
        let name = Array((String(repeating: "n", count: 200 + level % 50) + "\(level)").utf8CString)
        try stack.descriptor().makeDirectory(name, permissions: 0o755)
        try stack.enter(name)
        identities.append(try stack.descriptor().status().identity)
      }
      for level in (0..<120).reversed() {
        stack.leave(to: level + 1)
        #expect(try stack.descriptor().status().identity == identities[level])
      }
    }
  }

  @Test func `a path beyond the kernel's limit is refused and leaves the position`() throws {
    try withTemporaryDirectory { scratch in
      let root = try openDirectory(scratch)
      var stack = DirectoryStack(root: root.descriptor, readable: false)
      let name = Array(String(repeating: "n", count: 250).utf8CString)
      var error: SystemError?
      while error == nil {
        try stack.descriptor().makeDirectory(name, permissions: 0o755)
        do throws(SystemError) { try stack.enter(name) } catch let caught { error = caught }
      }
      #expect(error?.errno == .fileNameTooLong)
      #expect(stack.depth == 16)
    }
  }
}
