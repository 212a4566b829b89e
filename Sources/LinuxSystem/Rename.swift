internal import CLinux
internal import Glibc
package import SystemPackage

/// Renames a file or directory (rename(2)).
package func rename(_ old: FilePath, to new: FilePath) throws(SystemError) {
  try call("rename", on: new.string) { Glibc.rename(old.string, new.string) }
}

/// Renames one that may be gone already.
///
/// - Returns: whether it was there.
package func renameIfPresent(_ old: FilePath, to new: FilePath) throws(SystemError) -> Bool {
  if Glibc.rename(old.string, new.string) == 0 { return true }
  guard errno == ENOENT else { throw SystemError("rename", Errno(rawValue: errno), on: old.string) }
  return false
}

/// Renames a directory unless there is one of the new name that is not empty.
///
/// - Returns: whether it was renamed.
package func renameUnlessPresent(_ old: FilePath, to new: FilePath) throws(SystemError) -> Bool {
  if Glibc.rename(old.string, new.string) == 0 { return true }
  guard errno == EEXIST || errno == ENOTEMPTY else {
    throw SystemError("rename", Errno(rawValue: errno), on: new.string)
  }
  return false
}

/// Puts each of two names in the place of the other, at once (renameat2(2), RENAME_EXCHANGE).
package func exchange(_ one: FilePath, _ other: FilePath) throws(SystemError) {
  try call("renameat2", on: other.string) {
    clinux_renameat2(AT_FDCWD, one.string, AT_FDCWD, other.string, UInt32(CLINUX_RENAME_EXCHANGE))
  }
}

/// Removes a file; one that is not there is as good as removed (unlink(2)).
package func removeFile(_ path: FilePath) throws(SystemError) {
  if unlink(path.string) != 0, errno != ENOENT {
    throw SystemError("unlink", Errno(rawValue: errno), on: path.string)
  }
}
