internal import Glibc
package import SystemPackage

/// A file's size in bytes (stat(2)); symbolic links are followed.
package func fileSize(_ path: FilePath) throws(SystemError) -> Int64 {
  var status = stat()
  try call("stat", on: path.string) { stat(path.string, &status) }
  return Int64(status.st_size)
}

/// How long ago a file was written to last, in seconds (stat(2)).
package func fileAge(_ path: FilePath) throws(SystemError) -> Int64 {
  var status = stat()
  try call("stat", on: path.string) { stat(path.string, &status) }
  return Int64(time(nil)) - Int64(status.st_mtim.tv_sec)
}

/// Whether there is something of that name (faccessat(2)).
package func fileExists(_ path: FilePath) -> Bool { access(path.string, F_OK) == 0 }

/// The names in a directory, without `.` and `..` (readdir(3)).
package func directoryEntries(_ path: FilePath) throws(SystemError) -> [String] {
  guard let directory = opendir(path.string) else {
    throw SystemError("opendir", Errno(rawValue: errno), on: path.string)
  }
  defer { closedir(directory) }
  var names: [String] = []
  while let entry = readdir(directory) {
    let name = withUnsafePointer(to: &entry.pointee.d_name) {
      $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
    }
    if name != ".", name != ".." { names.append(name) }
  }
  return names
}

/// Whether this process may open it for reading (faccessat(2) with AT_EACCESS).
package func isReadable(_ path: String) -> Bool { faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) == 0 }
