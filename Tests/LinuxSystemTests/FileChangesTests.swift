import LinuxSystem
import SystemPackage
import TestSupport
import Testing

@Suite("Watches of files")
struct FileChangesTests {
  @Test("tells of what comes after it has begun, once")
  func tells() throws {
    try withTemporaryDirectory { directory in
      let file = directory.appending("file")
      try file.write(Array("one".utf8))
      let changes = try FileChanges(of: file)
      #expect(!changes.take())
      try file.write(Array("two".utf8))
      #expect(changes.take())
      #expect(!changes.take())
    }
  }

  @Test("one that has another's descriptor tells nothing of the other's file")
  func reused() throws {
    try withTemporaryDirectory { directory in
      let (former, file) = (directory.appending("former"), directory.appending("file"))
      for path in [former, file] { try path.write(Array("one".utf8)) }
      var wasReused = false
      // Tests beside this one watch too, and may have taken the descriptor, or given so many back that it is closed.
      for _ in 0..<1000 where !wasReused {
        let descriptor: CInt
        do {
          let changes = try FileChanges(of: former)
          descriptor = changes.descriptor.rawValue
          // Told to nobody.
          try former.write(Array("two".utf8))
          withExtendedLifetime(changes) {}
        }
        let changes = try FileChanges(of: file)
        wasReused = changes.descriptor.rawValue == descriptor
        #expect(!changes.take())
        try former.write(Array("three".utf8))
        #expect(!changes.take())
        try file.write(Array("two".utf8))
        #expect(changes.take())
      }
      #expect(wasReused)
    }
  }
}
