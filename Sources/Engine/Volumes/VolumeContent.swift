import EngineErrors
import Layers
import LinuxSystem
import SystemPackage

/// What an empty volume is to be filled with.
enum VolumeContent: Sendable {
  /// A directory of an image's; `isEmpty` where only its owner and its permissions matter.
  case image(MergedTree, MergedTree.Directory, isEmpty: Bool)
  case archive(ArchiveSource, TaskProgress)

  /// What an image has at a path.
  ///
  /// - Returns: nil where it has nothing.
  /// - Throws: `invalidArgument` for what is no directory.
  static func image(_ lowers: [FilePath], at target: String) throws -> VolumeContent? {
    let tree = try MergedTree(lowers)
    guard let directory = try tree.directory(FilePath(target)) else { return nil }
    return .image(tree, directory, isEmpty: try tree.isEmpty(directory))
  }
}

/// What came into a volume.
struct FilledVolume: Sendable {
  var entries = 0
  var warnings: [String] = []
}

extension ContainerEngine {
  /// Puts content into a directory.
  ///
  /// - Parameter setsRoot: whether the directory itself gets the content's owner and permissions.
  /// - Throws: `corrupt` for what is no archive, `noSpace`, `cancelled`; some of it may be there then.
  func fill(_ data: FilePath, with content: VolumeContent, setsRoot: Bool) async throws -> FilledVolume {
    var options = unpackOptions
    options.copy = CopyOptions(place: [])
    options.copy?.setsRoot = setsRoot
    return try await untilCancelled { [options] isCancelled in
      try await onBlockingThread("volume") {
        func check() throws(EngineError) {
          if isCancelled() { throw .cancelled("filling the volume") }
        }
        let directory = try openDirectory(data)
        if case .image(_, let source, isEmpty: true) = content {
          guard setsRoot else { return FilledVolume() }
          try directory.descriptor.setOwner(source.status.owner, group: source.status.group)
          try directory.descriptor.setPermissions(source.status.permissions)
          return FilledVolume()
        }
        let unpacker = try LayerUnpacker(into: directory.descriptor, named: data, options: options)
        switch content {
        case .image(let tree, let source, _):
          _ = try tree.write(source, overlayXattrs: options.overlayXattrs) { bytes in
            try check()
            try unpacker.write(bytes)
          }
        case .archive(let source, let progress):
          try source.read(progress.report) { bytes in
            try check()
            try unpacker.write(bytes)
          }
        }
        let filled = try unpacker.finish()
        return FilledVolume(entries: filled.entries, warnings: filled.warnings)
      }
    }
  }
}
