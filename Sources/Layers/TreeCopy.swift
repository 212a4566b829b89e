import EngineErrors
package import LinuxSystem
package import SystemPackage

/// Puts files that are chosen one by one, each under a name of its own, into a tree that others use, by the same rules as an
/// archive that is unpacked there. Used by one thread, whose umask is 0.
package final class TreeCopy {
  private let tree: TreeWriter
  private let header: FileHeader
  private let content = FileContent()

  /// - Parameters:
  ///   - root: stays the caller's.
  ///   - options: with those of a copy.
  ///   - time: for all files, instead of their own.
  package init(into root: FileDescriptor, _ options: UnpackOptions, time: FileTime?) throws {
    header = try FileHeader()
    header.time = time
    tree = try TreeWriter(root.duplicate(), options)
  }

  /// Adds an entry of a directory, without what is in it. What an archive cannot have is passed over.
  ///
  /// - Parameters:
  ///   - path: in the tree, without a slash in front.
  ///   - status: of the entry, as it was looked at.
  ///   - source: what it is called in errors.
  /// - Throws: `conflict` where the file is not the same any more.
  package func add(
    _ path: [UInt8], _ name: [CChar], in parent: FileDescriptor, _ status: FileStatus,
    _ changes: EntryChanges,
    source: String
  ) throws {
    try Self.naming(path) {
      guard try header.describe(UpperEntry(path: path, name: name, parent: parent, status: status), changes)
      else { return }
      guard let file = header.content else {
        try Self.check(try parent.status(of: name), is: status, source)
        return try tree.write(
          ArchiveEntry(header.entry), MemoryContent(UnsafeRawBufferPointer(start: nil, count: 0)))
      }
      _ = try content.open(file, status)
      try tree.write(ArchiveEntry(header.entry), content)
      try Self.check(try file.status(), is: status, source)
    }
  }

  /// What was looked at must be what was copied.
  ///
  /// - Throws: `conflict` where it is not.
  package static func check(_ now: FileStatus?, is status: FileStatus, _ source: String) throws {
    guard let now, now.identity == status.identity, now.kind == status.kind,
      now.kind == .directory || (now.size == status.size && now.changed == status.changed)
    else {
      throw EngineError(
        .conflict, "\(source) was changed while it was built from", subject: source,
        hint: "build again", retriable: true)
    }
  }

  package func addDirectory(
    _ path: [UInt8], permissions: UInt32, owner: (user: UInt32, group: UInt32)
  ) throws {
    try Self.naming(path) {
      header.describe(path, size: nil, permissions: permissions, owner: owner)
      try tree.write(ArchiveEntry(header.entry), MemoryContent(UnsafeRawBufferPointer(start: nil, count: 0)))
    }
  }

  package func addFile(
    _ path: [UInt8], _ bytes: [UInt8], permissions: UInt32, owner: (user: UInt32, group: UInt32)
  ) throws {
    try Self.naming(path) {
      header.describe(path, size: bytes.count, permissions: permissions, owner: owner)
      try bytes.withUnsafeBytes { try tree.write(ArchiveEntry(header.entry), MemoryContent($0)) }
    }
  }

  /// Gives directories what is theirs; nothing may follow.
  package func finish() throws { try tree.finish() }

  private static func naming(_ path: [UInt8], _ body: () throws -> Void) throws {
    do { try body() } catch let error as SystemError {
      throw EngineError("copy \(EntryPath.text(path))", error, subject: EntryPath.text(path))
    }
  }
}
