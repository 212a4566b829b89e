import CLinux
import Glibc
package import SystemPackage

/// Opens a directory by its path, in which symbolic links are followed: for the places that the engine
/// itself was told to use, never for a path from an archive or a client (open(2), O_DIRECTORY).
///
/// - Parameter isFollowed: whether the last name may be a link as well.
package func openDirectory(
  _ path: FilePath, isFollowed: Bool = true
) throws(SystemError) -> OwnedDescriptor {
  let flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | (isFollowed ? 0 : O_NOFOLLOW)
  let descriptor = try call("open", on: path.string) { path.withPlatformString { open($0, flags) } }
  return OwnedDescriptor(FileDescriptor(rawValue: descriptor))
}

/// File calls relative to a directory's descriptor.
///
/// A `name` is C's: bytes up to a NUL. Where a name may have several components (`open…` and `status`), the
/// kernel resolves it beneath the descriptor and refuses every symbolic link on the way, the last one
/// included (openat2(2): RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, RESOLVE_NO_MAGICLINKS). The other calls
/// take one component, and none of them follows a link there.
///
/// All throw `SystemError` with the call's own name and `name` as its subject.
extension FileDescriptor {
  /// openat2(2).
  package func openBeneath(
    _ name: UnsafePointer<CChar>, flags: CInt, mode: UInt32 = 0
  ) throws(SystemError) -> OwnedDescriptor {
    let descriptor = try call("openat2", on: String(cString: name)) {
      clinux_openat2(
        rawValue, name, UInt64(UInt32(bitPattern: flags | O_CLOEXEC | O_NOFOLLOW)), UInt64(mode),
        UInt64(CLINUX_RESOLVE_BENEATH | CLINUX_RESOLVE_NO_SYMLINKS | CLINUX_RESOLVE_NO_MAGICLINKS))
    }
    return OwnedDescriptor(FileDescriptor(rawValue: descriptor))
  }

  /// A directory, for reading its entries and for calls relative to it.
  package func openDirectoryBeneath(_ name: UnsafePointer<CChar>) throws(SystemError) -> OwnedDescriptor {
    try openBeneath(name, flags: O_RDONLY | O_DIRECTORY)
  }

  /// A file, for reading; one that is a FIFO is not waited for.
  package func openFileBeneath(_ name: UnsafePointer<CChar>) throws(SystemError) -> OwnedDescriptor {
    try openBeneath(name, flags: O_RDONLY | O_NONBLOCK)
  }

  /// Opens for reading what this descriptor, which may be of the place alone (O_PATH), is of, whatever its name is by now.
  package func reopened() throws(SystemError) -> OwnedDescriptor {
    let path = "/proc/self/fd/\(rawValue)"
    let descriptor = try call("open", on: path) {
      Glibc.open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    }
    return OwnedDescriptor(FileDescriptor(rawValue: descriptor))
  }

  /// Creates a regular file where nothing is yet, for writing (O_CREAT with O_EXCL: a link in its place is
  /// not followed but refused).
  package func createFile(
    _ name: UnsafePointer<CChar>, permissions: UInt32
  ) throws(SystemError) -> OwnedDescriptor {
    let descriptor = try call("openat", on: String(cString: name)) {
      openat(rawValue, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode_t(permissions))
    }
    return OwnedDescriptor(FileDescriptor(rawValue: descriptor))
  }

  package func makeDirectory(_ name: UnsafePointer<CChar>, permissions: UInt32) throws(SystemError) {
    try call("mkdirat", on: String(cString: name)) { mkdirat(rawValue, name, mode_t(permissions)) }
  }

  package func makeSymbolicLink(
    _ name: UnsafePointer<CChar>, to target: UnsafePointer<CChar>
  ) throws(SystemError) {
    try call("symlinkat", on: String(cString: name)) { symlinkat(target, rawValue, name) }
  }

  /// Names the file `existing` in `directory` once more here; a symbolic link is linked itself.
  package func makeHardLink(
    _ name: UnsafePointer<CChar>, to existing: UnsafePointer<CChar>, in directory: FileDescriptor
  ) throws(SystemError) {
    try call("linkat", on: String(cString: name)) {
      linkat(directory.rawValue, existing, rawValue, name, 0)
    }
  }

  /// A device or FIFO (mknodat(2)).
  package func makeNode(
    _ name: UnsafePointer<CChar>, _ kind: FileKind, permissions: UInt32,
    device: DeviceNumber = DeviceNumber(major: 0, minor: 0)
  ) throws(SystemError) {
    let type: mode_t =
      switch kind {
      case .characterDevice: S_IFCHR
      case .blockDevice: S_IFBLK
      default: S_IFIFO
      }
    try call("mknodat", on: String(cString: name)) {
      mknodat(rawValue, name, type | mode_t(permissions), device.raw)
    }
  }

  package func removeFile(_ name: UnsafePointer<CChar>) throws(SystemError) {
    try call("unlinkat", on: String(cString: name)) { unlinkat(rawValue, name, 0) }
  }

  package func removeEmptyDirectory(_ name: UnsafePointer<CChar>) throws(SystemError) {
    try call("unlinkat", on: String(cString: name)) { unlinkat(rawValue, name, AT_REMOVEDIR) }
  }

  /// Moves an entry; unless `replacing`, something that has the new name already is an error (EEXIST).
  package func rename(
    _ name: UnsafePointer<CChar>, to newName: UnsafePointer<CChar>, in directory: FileDescriptor,
    replacing: Bool = false
  ) throws(SystemError) {
    try call("renameat2", on: String(cString: name)) {
      clinux_renameat2(
        rawValue, name, directory.rawValue, newName, replacing ? 0 : UInt32(CLINUX_RENAME_NOREPLACE))
    }
  }
}
