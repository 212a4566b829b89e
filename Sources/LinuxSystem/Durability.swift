internal import CLinux
internal import Glibc
package import SystemPackage

extension FileDescriptor {
  /// Waits until the file's content and what is needed to find it are on the disk (fdatasync(2)).
  package func synchronizeData() throws(SystemError) {
    try call("fdatasync") { fdatasync(rawValue) }
  }

  /// Waits until everything of the file's whole file system is on the disk (syncfs(2)).
  package func synchronizeFileSystem() throws(SystemError) {
    try call("syncfs") { clinux_syncfs(rawValue) }
  }

  /// Asks the kernel to begin writing a range to the disk and does not wait for it (sync_file_range(2)), so that
  /// a later sync has less left. A file system that cannot do so is left alone.
  package func startWriteback(from offset: Int64, count: Int64) {
    _ = clinux_start_writeback(rawValue, offset, count)
  }
}

/// Waits until a directory's entries are on the disk: a rename into it lasts only then.
package func synchronizeDirectory(_ path: FilePath) throws {
  let directory = try FileDescriptor.open(path, .readOnly, options: [.directory, .closeOnExec])
  defer { try? directory.close() }
  try call("fsync", on: path.string) { fsync(directory.rawValue) }
}

/// A file's size in bytes (stat(2)); symbolic links are followed.
package func fileSize(_ path: FilePath) throws(SystemError) -> Int64 {
  var status = stat()
  try call("stat", on: path.string) { stat(path.string, &status) }
  return Int64(status.st_size)
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
