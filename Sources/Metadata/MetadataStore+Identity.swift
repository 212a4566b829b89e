package import EngineErrors
internal import GRDB
internal import LinuxSystem
internal import SystemPackage

/// What tells a store from others on the machine.
extension MetadataStore {
  /// A short name for this store that no other has, for what it leaves in places that several stores share.
  package func storeIdentity() throws(EngineError) -> String {
    try read("read the store's identity") { database in
      guard let identity = try String.fetchOne(database, sql: "SELECT id FROM identity") else {
        throw Row.damage("no identity")
      }
      return identity
    }
  }

  /// Notes where the store is. One that is a copy of another, which is still there, becomes a store of its own: else each of the two
  /// would take the other's interfaces for left-overs. One that was moved stays what it is. Blocks.
  ///
  /// To be called before anybody uses networks.
  ///
  /// - Parameter bridge: what the bridge of a network (its id) of a store (its name) is called.
  package func claimIdentity(naming bridge: (_ network: String, _ store: String) -> String)
    throws(EngineError)
  {
    do {
      let place = try StorePlace(of: path)
      if try read("read the store's identity", { try StorePlace.noted(in: $0) }) == place { return }
      try writeBlocking("note the store's place", events: []) { database in
        // Another service may have been first.
        if let known = try StorePlace.noted(in: database), place.isCopy(of: known) {
          let identity = try String.fetchOne(database, sql: "SELECT lower(hex(randomblob(4)))") ?? ""
          try database.execute(sql: "UPDATE identity SET id = ?", arguments: [identity])
          for network in try String.fetchAll(database, sql: "SELECT id FROM networks") {
            try database.execute(
              sql: "UPDATE networks SET bridge = ? WHERE id = ?",
              arguments: [bridge(network, identity), network])
          }
        }
        try database.execute(
          sql: "UPDATE identity SET path = ?, file = ?", arguments: [place.path, place.file])
      }
    } catch {
      throw EngineError("note the store's place", wrapping: error, subject: path.string)
    }
  }
}

/// Where a database is, and which file it is there.
private struct StorePlace: Equatable {
  var path: String
  var file: String

  init(of path: FilePath) throws {
    self.path = resolvingLinks(path).string
    file = try Self.file(path)
  }

  /// Nil in a store of an older version.
  static func noted(in database: Database) throws -> StorePlace? {
    guard let row = try Row.fetchOne(database, sql: "SELECT path, file FROM identity"),
      let path: String = try row.optional(0), let file: String = try row.optional(1)
    else { return nil }
    return StorePlace(path: path, file: file)
  }

  private init(path: String, file: String) {
    self.path = path
    self.file = file
  }

  /// Files may have other numbers after each start of the machine, so that the one there need not be as it was.
  func isCopy(of known: StorePlace) -> Bool {
    guard known.path != path, known.file != file, let there = try? Self.file(FilePath(known.path)) else {
      return false
    }
    return there != file
  }

  private static func file(_ path: FilePath) throws -> String {
    // The file itself must not be opened: its close would take SQLite's locks in this process away (fcntl(2)).
    let directory = try FileDescriptor.open(
      path.removingLastComponent(), .readOnly, options: [.directory, .closeOnExec])
    return try directory.closeAfter {
      guard let identity = try directory.status(of: path.lastComponent?.string ?? "")?.identity else {
        throw Errno.noSuchFileOrDirectory
      }
      return "\(identity.device):\(identity.inode)"
    }
  }
}
