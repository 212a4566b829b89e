import Glibc
package import SystemPackage

/// Who owns what a path names, without following it, and its permission bits (lstat(2)); nil where there is nothing.
package func ownership(of path: FilePath) throws(SystemError) -> (owner: UInt32, permissions: UInt32)? {
  var status = stat()
  do throws(SystemError) {
    try call("lstat", on: path.string) { lstat(path.string, &status) }
  } catch {
    guard error.errno == .noSuchFileOrDirectory else { throw error }
    return nil
  }
  return (status.st_uid, status.st_mode & 0o7777)
}
