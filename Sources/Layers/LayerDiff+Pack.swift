import EngineErrors
package import LinuxSystem
package import SystemPackage

extension LayerDiff {
  /// What an upper directory has become.
  package struct Packed: Sendable {
    /// As `diskUsage` counts it.
    package var bytesOnDisk: Int64
    /// What was removed because no archive can have it, a sentence each; at most a hundred.
    package var leftOut: [String]
  }

  /// Writes an upper directory as `write` does, and makes its tree what unpacking the archive would give: without what is not in
  /// it, and with its times. No overlay may be mounted on it any more.
  ///
  /// The directory is a layer's tree after that, as long as nobody else changes it.
  /// - Parameter time: for all entries, instead of their own.
  /// - Throws: what reading the tree or the sink fails with; what is left of the tree is of no use then.
  package static func pack(
    upper: FilePath, lowers: [FilePath], overlayXattrs: OverlayXattrs, mountPoints: Set<String>,
    time: FileTime, sink: (UnsafeRawBufferPointer) throws -> Void
  ) throws -> Packed {
    let below = try LowerLayers(lowers)
    let root = try openDirectory(upper)
    // As a layer's root directory is that has no entry for it.
    try root.descriptor.disinherit(permissions: 0o755)
    for name in try root.descriptor.extendedAttributeNames() where name != Array("security.selinux".utf8) {
      try root.descriptor.removeExtendedAttribute(name.cString)
    }
    return try withoutActuallyEscaping(sink) { sink in
      let writer = try ArchiveWriter(sink, overlayXattrs)
      writer.time = time
      var bytesOnDisk: Int64 = 0
      var linked: Set<FileIdentity> = []
      try UpperWalk(upper, below, mountPoints).visit { entry in
        let status = entry.status
        guard try writer.write(entry) else { return try removeTree(entry.name, in: entry.parent) }
        for name in writer.marks where !status.isWhiteout {
          try entry.parent.removeExtendedAttribute(name.cString, of: entry.name)
        }
        if status.kind != .directory, status.modified != time {
          try entry.parent.setTimes(of: entry.name, time)
        }
        guard status.kind == .directory || status.linkCount == 1 || linked.insert(status.identity).inserted
        else { return }
        // Attributes that went may have had a block of their own.
        let left = writer.marks.isEmpty ? status : try entry.parent.status(of: entry.name) ?? status
        bytesOnDisk += left.bytesOnDisk
      } leaveOut: { path, directory, names in
        writer.leaveOutRest(of: path)
        for name in names { try removeTree(name, in: directory) }
      } passOver: { entry in
        try removeTree(entry.name, in: entry.parent)
      } leave: { directory in
        try directory.setTimes(time)
      }
      try writer.finish()
      return Packed(
        bytesOnDisk: bytesOnDisk + (try root.descriptor.status().bytesOnDisk), leftOut: writer.leftOut)
    }
  }
}
