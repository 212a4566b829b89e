internal import Glibc
package import SystemPackage

/// Makes a directory and those above it that are missing (mkdir(2)); one that is there stays as it is.
///
/// - Parameter mode: of each directory that is made.
package func makeDirectories(_ path: FilePath, mode: UInt32) throws(SystemError) {
  do throws(SystemError) {
    try call("mkdir", on: path.string) { mkdir(path.string, mode) }
  } catch  where error.errno == .fileExists {
    return
  } catch
    where error.errno == .noSuchFileOrDirectory && !path.removingLastComponent().isEmpty
    && path.removingLastComponent() != path
  {
    try makeDirectories(path.removingLastComponent(), mode: mode)
    try makeDirectories(path, mode: mode)
  }
}
