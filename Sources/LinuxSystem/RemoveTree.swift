internal import Glibc
package import SystemPackage

/// Removes a file or a whole directory tree, following no symbolic link (unlinkat(2)). One that is not there is as
/// good as removed.
///
/// Directories without permission to be read are given it first, as their owner may.
package func removeTree(_ path: FilePath) throws(SystemError) {
  try removeEntry(AT_FDCWD, path.string, path.string)
}

private func removeEntry(_ parent: CInt, _ name: String, _ path: String) throws(SystemError) {
  if unlinkat(parent, name, 0) == 0 || errno == ENOENT { return }
  guard errno == EISDIR || errno == EPERM else { throw SystemError("unlinkat", Errno(rawValue: errno), on: path) }
  try removeContents(parent, name, path)
  if unlinkat(parent, name, AT_REMOVEDIR) != 0, errno != ENOENT {
    throw SystemError("unlinkat", Errno(rawValue: errno), on: path)
  }
}

private func removeContents(_ parent: CInt, _ name: String, _ path: String) throws(SystemError) {
  let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
  var descriptor = openat(parent, name, flags)
  if descriptor < 0, errno == EACCES, fchmodat(parent, name, 0o700, 0) == 0 {
    descriptor = openat(parent, name, flags)
  }
  guard descriptor >= 0, let directory = fdopendir(descriptor) else {
    let reason = Errno(rawValue: errno)
    if descriptor >= 0 { close(descriptor) }
    if reason == .noSuchFileOrDirectory { return }
    throw SystemError("openat", reason, on: path)
  }
  defer { closedir(directory) }
  while let entry = readdir(directory) {
    let child = withUnsafePointer(to: &entry.pointee.d_name) {
      $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
    }
    if child == "." || child == ".." { continue }
    do throws(SystemError) {
      try removeEntry(descriptor, child, "\(path)/\(child)")
    } catch where error.errno == .permissionDenied {
      // The directory itself forbids writing.
      fchmod(descriptor, 0o700)
      try removeEntry(descriptor, child, "\(path)/\(child)")
    }
  }
}
