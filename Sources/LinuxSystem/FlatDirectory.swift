internal import Glibc
package import SystemPackage

/// A directory of plain files that one component owns: made, listed, renamed in, removed from and synced by
/// name.
package struct FlatDirectory: Sendable {
  package let path: FilePath

  /// Makes the directory (mode 0700) where it is missing; its parent must exist.
  package init(_ path: FilePath) throws(SystemError) {
    self.path = path
    do throws(SystemError) {
      try call("mkdir", on: path.string) { mkdir(path.string, 0o700) }
    } catch  where error.errno == .fileExists {}
  }

  /// The names of all entries but `.` and `..`, in no order (readdir(3)).
  package func names() throws(SystemError) -> [String] {
    guard let stream = opendir(path.string) else {
      throw SystemError("opendir", Errno(rawValue: clinuxErrno()), on: path.string)
    }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names
  }

  /// Gives the entry `name` the name `newName`, replacing what had it (rename(2)).
  package func rename(_ name: String, to newName: String) throws(SystemError) {
    let (from, to) = (path.appending(name), path.appending(newName))
    try call("rename", on: to.string) { Glibc.rename(from.string, to.string) }
  }

  /// Removes the file `name`; one that is gone already is no error (unlink(2)).
  package func remove(_ name: String) throws(SystemError) {
    let file = path.appending(name)
    do throws(SystemError) {
      try call("unlink", on: file.string) { unlink(file.string) }
    } catch  where error.errno == .noSuchFileOrDirectory {}
  }

  /// Waits until additions, renames and removals are on stable storage (fsync(2) of the directory).
  package func sync() throws(SystemError) {
    let descriptor = try call("open", on: path.string) {
      open(path.string, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    }
    defer { close(descriptor) }
    try call("fsync", on: path.string) { fsync(descriptor) }
  }
}

/// Whether there is nothing in a directory (readdir(3)).
package func isEmptyDirectory(_ path: FilePath) throws(SystemError) -> Bool {
  guard let stream = opendir(path.string) else {
    throw SystemError("opendir", Errno(rawValue: clinuxErrno()), on: path.string)
  }
  defer { closedir(stream) }
  // Besides `.` and `..`.
  for _ in 0..<3 where readdir(stream) == nil { return true }
  return false
}
