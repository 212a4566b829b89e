import LinuxSystem
import SystemPackage

/// A layer of the engine's own, below all of an image's: the directories and empty files that it mounts on in every
/// container. An image that has them is not changed by it; one that lacks them gets them without a write into the
/// container's own layer, and so they are in no diff and no commit.
enum MountPoints {
  /// Makes what is missing of the layer.
  ///
  /// - Returns: its directory, for the lowest `lowerdir` of an overlay.
  static func layer(in store: FilePath) throws -> FilePath {
    let layer = store.appending("mount-points")
    for name in ["proc", "sys", "dev", "etc"] { try makeDirectories(layer.appending(name), mode: 0o755) }
    for file in BoundFile.allCases {
      try FileDescriptor.open(
        layer.appending("etc").appending(file.rawValue), .writeOnly,
        options: [.create, .closeOnExec, .noFollow],
        permissions: FilePermissions(rawValue: 0o644)
      ).close()
    }
    return layer
  }
}
