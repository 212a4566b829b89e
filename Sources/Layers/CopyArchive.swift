import EngineErrors
package import LinuxSystem
package import SystemPackage

/// What is different in an archive from the file that it is taken from.
package struct EntryChanges: Sendable {
  package var owner: (user: UInt32, group: UInt32)?
  /// Not of symbolic links.
  package var permissions: UInt32?
  /// Extended attributes.
  package var keepsAttributes = true
  /// Whether files that are one stay one.
  package var keepsLinks = true

  package init() {}
}

/// A tar archive of files that are chosen one by one, each under a name of its own. Used by one thread.
package final class CopyArchive {
  private let writer: ArchiveWriter

  /// - Parameter sink: gets the archive's bytes in order.
  package init(
    overlayXattrs: OverlayXattrs, sink: @escaping (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    writer = try ArchiveWriter(sink, overlayXattrs)
  }

  /// Adds an entry of a directory, without what is in it.
  ///
  /// - Parameters:
  ///   - path: in the archive, without a slash in front.
  ///   - status: of the entry, as it was looked at.
  package func add(
    _ path: [UInt8], _ name: [CChar], in parent: FileDescriptor, _ status: FileStatus, _ changes: EntryChanges
  ) throws {
    try writer.writeEntry(UpperEntry(path: path, name: name, parent: parent, status: status), changes)
  }

  package func addDirectory(
    _ path: [UInt8], permissions: UInt32, owner: (user: UInt32, group: UInt32)
  ) throws {
    try writer.write(path, nil, permissions: permissions, owner: owner)
  }

  package func addFile(
    _ path: [UInt8], _ content: [UInt8], permissions: UInt32, owner: (user: UInt32, group: UInt32)
  ) throws {
    try writer.write(path, content, permissions: permissions, owner: owner)
  }

  /// Writes the end; nothing may follow.
  package func finish() throws { try writer.finish() }
}
