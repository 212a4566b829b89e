import EngineErrors
import LinuxSystem
import OCIModel
import Snapshots
import SystemPackage
import TestSupport
import Testing

@Suite("Layers and containers on disk")
struct SnapshotsTests {
  private let key = Digest(of: "layer".utf8)

  private func withSnapshots(_ body: @Sendable (Snapshots, FilePath) async throws -> Void) async throws {
    try await withTemporaryDirectory { directory in
      try await body(try Snapshots(root: directory), directory)
    }
  }

  private func write(_ text: String, _ path: FilePath) throws {
    let file = try FileDescriptor.open(path, .writeOnly, options: .create, permissions: .ownerReadWrite)
    try file.closeAfter { _ = try file.writeAll(text.utf8) }
  }

  @Test("invariant 1: a layer has its name only when it is whole")
  func commit() async throws {
    try await withSnapshots { snapshots, root in
      let stage = try snapshots.stage()
      try write("x", stage.directory.appending("file"))
      #expect(!snapshots.contains(key))
      try stage.commit(as: key)
      #expect(fileExists(snapshots.layerDirectory(key).appending("file")))
      #expect(try directoryEntries(root.appending("staging")) == [])
    }
  }

  @Test("a stage that is dropped leaves nothing")
  func dropped() async throws {
    try await withSnapshots { snapshots, root in
      do {
        let stage = try snapshots.stage()
        try withExtendedLifetime(stage) { try write("x", stage.directory.appending("file")) }
      }
      #expect(try directoryEntries(root.appending("staging")) == [])
    }
  }

  @Test("locks that a killed service has left are gone after the sweep, and are no trees to remove later")
  func sweptLocks() async throws {
    try await withSnapshots { snapshots, root in
      let staging = root.appending("staging")
      try write("", staging.appending("\(key.hex).lock"))
      try makeDirectories(staging.appending("layer-1"), mode: 0o700)
      #expect(try snapshots.sweep { _ in true } == [staging.appending("layer-1")])
      #expect(try directoryEntries(staging) == ["layer-1"])
    }
  }

  @Test("a store takes nothing of the directory that it is made in", .requires(.root))
  func inheritance() async throws {
    try await withTemporaryDirectory { directory in
      let around = directory.appending("around")
      let made = try await ChildProcess.run(
        [
          "sh", "-ec", "mkdir around; chgrp 50 around; chmod 2775 around; setfacl -d -m u:9:rwx around",
        ], workingDirectory: directory)
      #expect(made.succeeded, "\(made.errorText)")
      let snapshots = try Snapshots(root: around)
      let upper = try snapshots.prepareContainer("one").appending("upper")
      let found = try await ChildProcess.run(["getfacl", "-n", "-c", "-p", upper.string])
      #expect(found.text == "user::rwx\ngroup::r-x\nother::r-x\n\n")
      let owner = try await ChildProcess.run(["stat", "-c", "%a %u %g", upper.string])
      #expect(owner.text == "755 0 0\n")
    }
  }

  @Test("of two that keep the same layer the first stays")
  func twice() async throws {
    try await withSnapshots { snapshots, root in
      for text in ["first", "second"] {
        let stage = try snapshots.stage()
        try write("", stage.directory.appending(text))
        try stage.commit(as: key)
      }
      #expect(try directoryEntries(snapshots.layerDirectory(key)) == ["first"])
      #expect(try directoryEntries(root.appending("staging")) == [])
    }
  }

  @Test("a removed layer has no name at once, its tree is there to remove, and removing it again is no error")
  func remove() async throws {
    try await withSnapshots { snapshots, root in
      let stage = try snapshots.stage()
      try makeDirectories(stage.directory.appending("a").appending("b"), mode: 0o755)
      try write("x", stage.directory.appending("a").appending("b").appending("c"))
      try stage.commit(as: key)
      let tree = try #require(try snapshots.unname(key))
      #expect(fileKind(tree.appending("diff")) == .directory)
      #expect(try snapshots.unname(key) == nil)
      #expect(try snapshots.list() == [])
      #expect(try directoryEntries(root.appending("staging")) == [tree.lastComponent?.string])
    }
  }

  @Test("invariant 4: each container has a fresh upper directory")
  func containers() async throws {
    try await withSnapshots { snapshots, _ in
      let one = try snapshots.prepareContainer("one")
      try write("x", one.appending("upper").appending("file"))
      let two = try snapshots.prepareContainer("two")
      #expect(try directoryEntries(two.appending("upper")) == [])
      try snapshots.removeContainer("one")
      #expect(!fileExists(one))
    }
  }
}
