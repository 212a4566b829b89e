internal import CLinux
internal import Glibc
package import SystemPackage

/// Paths of a container, looked up in its root directory.
extension FileDescriptor {
  /// Opens what a path names, with this directory as `/` on the whole way: neither `..` nor a symbolic link leads out, also
  /// while others change the tree (openat2(2), RESOLVE_IN_ROOT).
  ///
  /// - Parameter flags: as open(2)'s; without `O_NOFOLLOW` a link at the end is followed as well.
  package func openInRoot(_ path: FilePath, flags: CInt) throws(SystemError) -> OwnedDescriptor {
    let descriptor = try call("openat2", on: path.string) {
      path.withPlatformString { clinux_open_in_root(rawValue, $0, flags, 0, 0) }
    }
    return OwnedDescriptor(FileDescriptor(rawValue: descriptor))
  }

  /// Opens what a path beneath this directory names, for its place alone (O_PATH). Links are followed as far as they lead to what is
  /// beneath it; one that leads out is an error (openat2(2), RESOLVE_BENEATH: EXDEV).
  package func openPlaceBeneath(_ path: String) throws(SystemError) -> OwnedDescriptor {
    let descriptor = try call("openat2", on: path) {
      clinux_open_beneath(rawValue, path, CInt(CLINUX_O_PATH))
    }
    return OwnedDescriptor(FileDescriptor(rawValue: descriptor))
  }

  /// A directory in which others are looked up, with all links followed.
  package func openDirectoryInRoot(_ path: FilePath) throws(SystemError) -> OwnedDescriptor {
    try openInRoot(path, flags: O_RDONLY | O_DIRECTORY)
  }

  /// What a path names, with all links followed; nil where there is nothing.
  package func statusInRoot(_ path: FilePath) throws(SystemError) -> FileStatus? {
    do throws(SystemError) {
      let found = try openInRoot(path, flags: CInt(CLINUX_O_PATH))
      return try found.descriptor.status()
    } catch  where error.errno == .noSuchFileOrDirectory {
      return nil
    } catch {
      throw error
    }
  }
}
