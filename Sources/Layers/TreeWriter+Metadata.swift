import EngineErrors
import LinuxSystem
import SystemPackage

/// Whose an entry is, and its modes, attributes and times.
extension TreeWriter {
  func permissions(_ entry: ArchiveEntry) -> UInt32 {
    options.copy?.keepsSetIDBits ?? true ? entry.permissions : entry.permissions & 0o1777
  }

  struct Owner {
    var user: UInt32
    var group: UInt32
  }

  func owner(of entry: ArchiveEntry, _ name: [UInt8]) throws(EngineError) -> Owner {
    if let owner = options.copy?.owner { return Owner(user: owner.user, group: owner.group) }
    let shift = options.copy?.idShift ?? 0
    let highest = Int64(options.highestID) - shift
    guard (0...highest).contains(entry.owner), (0...highest).contains(entry.group) else {
      let id = (0...highest).contains(entry.owner) ? "group \(entry.group)" : "user \(entry.owner)"
      throw EngineError(
        .unsupported, "cannot give \(EntryPath.text(name)) to \(id): ids here end with \(highest)",
        subject: EntryPath.text(name),
        causes: [
          "the ids from \(highest + 1) to \(max(entry.owner, entry.group)) are not in the user namespace's map"
        ],
        hint: "add a range of subordinate ids that reaches it to /etc/subuid and /etc/subgid")
    }
    return Owner(user: UInt32(entry.owner + shift), group: UInt32(entry.group + shift))
  }

  /// Owner, attributes and times of what has no descriptor of its own.
  func settle(
    _ base: [CChar], _ entry: ArchiveEntry, _ owner: Owner, in parent: FileDescriptor
  ) throws {
    if owner.user != ownUser || owner.group != ownGroup || options.copy != nil {
      try parent.setOwner(of: base, owner.user, group: owner.group)
    }
    try entry.forEachExtendedAttribute { name, value in
      try setAttribute(name, value) {
        try parent.setExtendedAttribute(name, value, of: base)
      }
    }
    try parent.setTimes(of: base, entry.time)
    try addSize(of: base, in: parent)
  }

  /// What a directory has of its own at once, and what it would hand down to its entries at the end (`finish`): each of them
  /// has an owner, permissions and attributes of its own in the archive.
  func settleDirectory(
    _ base: [CChar], _ path: [UInt8], _ entry: ArchiveEntry, _ owner: Owner, in parent: FileDescriptor
  ) throws {
    try parent.setOwner(of: base, owner.user, group: owner.group)
    var rest = DirectoryRest(time: entry.time)
    try entry.forEachExtendedAttribute { name, value in
      if String(cString: name) == AccessControl.inherited {
        rest.defaultACL = Array(value)
      } else {
        try setAttribute(name, value) { try parent.setExtendedAttribute(name, value, of: base) }
      }
    }
    let handedDown: UInt32 = 0o2000
    if permissions(entry) & handedDown != 0 { rest.permissions = permissions(entry) }
    try parent.setPermissions(of: base, permissions(entry) & ~handedDown)
    let (known, size) = (unfinished.updateValue(rest, forKey: path), rest.defaultACL?.count ?? 0)
    if known == nil { try keep(path) }
    if size > 0 { try keep(bytes: size) }
  }

  struct DirectoryRest {
    var time: FileTime
    /// Nil where they are set.
    var permissions: UInt32?
    var defaultACL: [UInt8]?
  }

  func setAttribute(
    _ name: UnsafePointer<CChar>, _ value: UnsafeRawBufferPointer, _ set: () throws -> Void
  ) throws {
    let text = String(cString: name)
    // Marks of overlayfs are the engine's own: from an archive they would reach into other layers.
    let shown = EntryPath.text(text.utf8)
    guard !text.hasPrefix("trusted.overlay."), !text.hasPrefix("user.overlay.") else {
      return warn("left out the attribute \(shown)")
    }
    // xattr(7): what no file system keeps.
    guard text.utf8.count <= 255, value.count <= 65_536 else {
      throw EngineError.refused(
        "the archive has an attribute that no file can have: \(shown), of \(value.count) bytes")
    }
    do {
      try set()
    } catch let error as SystemError {
      switch error.errno {
      case .notSupported, .notPermitted: warn("left out the attribute \(shown): \(error.errno)")
      case .noSpace, .argListTooLong, .outOfRange:
        // Ext4 says so of a value that is longer than its block, on a disk with room enough.
        throw EngineError(
          ErrorKind(error.errno), "cannot keep the attribute \(shown) of \(value.count) bytes",
          causes: [error.description],
          hint:
            "free space on the file system that holds the store, or take one that keeps long attributes, as XFS"
        )
      default: throw error
      }
    }
  }
}

extension ArchiveEntry {
  var time: FileTime {
    let time = modified
    return FileTime(seconds: time.seconds, nanoseconds: min(max(time.nanoseconds, 0), 999_999_999))
  }
}
