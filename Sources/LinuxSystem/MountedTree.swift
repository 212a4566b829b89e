internal import CLinux
internal import Glibc
package import SystemPackage

/// Something that is mounted in a tree.
package struct TreeMount: Sendable {
  package var source: FilePath
  /// What of the source, beneath it; all of it where nil.
  package var subpath: String?
  /// In the tree; made where it is missing.
  package var target: FilePath
  package var isReadOnly: Bool

  package init(source: FilePath, subpath: String?, target: FilePath, isReadOnly: Bool) {
    self.source = source
    self.subpath = subpath
    self.target = target
    self.isReadOnly = isReadOnly
  }
}

/// Mounts a tree that is mounted nowhere, and things in it, in a mount namespace of their own, which nobody else sees
/// (unshare(2), open_tree(2), move_mount(2)).
///
/// To be called on a thread that ends after it.
/// - Parameters:
///   - tree: what is looked up beneath it afterwards crosses into the mounts.
///   - place: any directory.
///   - mounts: those that lie in others after them.
/// - Returns: the namespace; the mounts stay as long as it is open.
package func mountPrivately(
  _ tree: FileDescriptor, on place: FilePath, with mounts: [TreeMount]
) throws(SystemError) -> OwnedDescriptor {
  try call("unshare", on: "mounts") { clinux_unshare_mounts() }
  try call("mount", on: "/") { clinux_make_mounts_private() }
  let spot = try openPlace(place)
  try call("move_mount", on: place.string) { clinux_move_mount(tree.rawValue, spot.descriptor.rawValue) }
  for mount in mounts {
    let source = try openPlace(mount.source)
    let clone: CInt
    if let subpath = mount.subpath {
      let part = try source.descriptor.openPlaceBeneath(subpath)
      clone = try call("open_tree", on: subpath) { clinux_open_tree_clone(part.descriptor.rawValue, "", 1) }
    } else {
      clone = try call("open_tree", on: mount.source.string) {
        clinux_open_tree_clone(source.descriptor.rawValue, "", 1)
      }
    }
    let made = OwnedDescriptor(FileDescriptor(rawValue: clone))
    if mount.isReadOnly {
      try call("mount_setattr", on: mount.target.string) {
        clinux_mount_set(made.descriptor.rawValue, 1, 1)  // MOUNT_ATTR_RDONLY
      }
    }
    let isDirectory = try made.descriptor.status().kind == .directory
    let target = try tree.openOrMakeInRoot(mount.target, isDirectory: isDirectory)
    try call("move_mount", on: mount.target.string) {
      clinux_move_mount(made.descriptor.rawValue, target.descriptor.rawValue)
    }
  }
  return OwnedDescriptor(
    FileDescriptor(
      rawValue: try call("open", on: "/proc/thread-self/ns/mnt") {
        open("/proc/thread-self/ns/mnt", O_RDONLY | O_CLOEXEC)
      }))
}

private func openPlace(_ path: FilePath) throws(SystemError) -> OwnedDescriptor {
  let descriptor = try call("open", on: path.string) { open(path.string, CInt(CLINUX_O_PATH) | O_CLOEXEC) }
  return OwnedDescriptor(FileDescriptor(rawValue: descriptor))
}

extension FileDescriptor {
  /// A place in this root, made where it is missing, with the directories above it.
  fileprivate func openOrMakeInRoot(_ path: FilePath, isDirectory: Bool) throws(SystemError)
    -> OwnedDescriptor
  {
    do throws(SystemError) {
      return try openInRoot(path, flags: CInt(CLINUX_O_PATH))
    } catch  where error.errno == .noSuchFileOrDirectory && path.lastComponent != nil {
      _ = try openOrMakeInRoot(path.removingLastComponent(), isDirectory: true)
      let parent = try openInRoot(path.removingLastComponent(), flags: O_RDONLY | O_DIRECTORY)
      let name = path.lastComponent?.string ?? ""
      if isDirectory {
        try parent.descriptor.makeDirectory(name, permissions: 0o755)
      } else {
        _ = try parent.descriptor.createFile(name, permissions: 0o644)
      }
      return try openInRoot(path, flags: CInt(CLINUX_O_PATH))
    } catch {
      throw error
    }
  }
}
