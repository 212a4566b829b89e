import Foundation
import SystemPackage
import Testing

@testable import Metadata

@Suite("What tells a store from others")
struct IdentityTests {
  @Test("a copy beside its original gets a name of its own, and so do its bridges; what was moved does not")
  func copies() async throws {
    try await withDatabasePath { path in
      func identity(_ path: FilePath, bridge suffix: String) throws -> String {
        let store = try MetadataStore(path: path)
        try store.claimIdentity { "\($1)-\($0)" }
        let identity = try store.storeIdentity()
        #expect(try store.networks().map(\.bridge) == ["\(identity)-\(suffix)"])
        return identity
      }
      let original: String
      do {
        let made = try MetadataStore(path: path)
        original = try made.storeIdentity()
        _ = try await made.insertNetwork(
          NetworkRecord(id: "n", name: "net", bridge: "\(original)-n", mtu: 1500, createdAt: 1),
          completing: { _, _ in }, events: { _ in [] })
      }
      // One of an older version knows no place.
      #expect(try identity(path, bridge: "n") == original)
      #expect(try identity(path, bridge: "n") == original)

      let files = FileManager.default
      let place = path.removingLastComponent()
      func copy(_ source: FilePath, _ name: String) throws -> FilePath {
        let copy = place.appending(name)
        // With what is not in the database's own file yet.
        for suffix in ["", "-wal"] where files.fileExists(atPath: source.string + suffix) {
          try files.copyItem(atPath: source.string + suffix, toPath: copy.string + suffix)
        }
        return copy
      }
      let beside = try copy(path, "beside.sqlite")
      let other = try identity(beside, bridge: "n")
      #expect(other != original)
      #expect(try identity(beside, bridge: "n") == other)
      #expect(try identity(path, bridge: "n") == original)

      // Moved within a file system, and to another one.
      let moved = place.appending("moved.sqlite")
      try files.moveItem(atPath: beside.string, toPath: moved.string)
      #expect(try identity(moved, bridge: "n") == other)
      let elsewhere = try copy(moved, "elsewhere.sqlite")
      try files.removeItem(atPath: moved.string)
      #expect(try identity(elsewhere, bridge: "n") == other)
    }
  }
}
