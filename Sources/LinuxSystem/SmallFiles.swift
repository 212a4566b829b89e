import CLinux
import Glibc
package import SystemPackage

/// What a path names, without following it (lstat(2)); nil where there is nothing.
package func fileKind(_ path: FilePath) -> FileKind? {
  var status = stat()
  return lstat(path.string, &status) == 0 ? FileKind(mode: status.st_mode) : nil
}

/// Reads a regular file of `limit` bytes at the most; neither follows a symbolic link at its end nor waits for a FIFO.
///
/// - Throws: `fileTooLarge` for a longer one.
package func readSmallFile(_ path: FilePath, limit: Int) throws -> String {
  let descriptor = try call("open", on: path.string) {
    open(path.string, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
  }
  let file = FileDescriptor(rawValue: descriptor)
  defer { try? file.close() }
  return String(decoding: try readSmall(file, limit: limit, on: path), as: UTF8.self)
}

/// Reads to the end, `limit` bytes at the most.
///
/// - Throws: `fileTooLarge` for more.
package func readSmall(_ file: FileDescriptor, limit: Int, on path: FilePath) throws -> [UInt8] {
  // Most are far smaller than their limit, and memory that was never touched costs nothing: room is made as it is needed.
  var bytes: [UInt8] = []
  var room = 4096
  while bytes.count <= limit {
    let wanted = min(room, limit + 1 - bytes.count)
    var isAtEnd = false
    bytes += try [UInt8](unsafeUninitializedCapacity: wanted) { buffer, count in
      while count < wanted {
        let read = try file.read(
          into: UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[count...]))
        if read == 0 {
          isAtEnd = true
          return
        }
        count += read
      }
    }
    if isAtEnd { return bytes }
    room = min(room * 4, 1 << 20)
  }
  throw SystemError("read", .fileTooLarge, on: path.string)
}

/// Writes a file whole or not at all, in the place of what is there (rename(2)). Not durable.
package func replaceFile(_ path: FilePath, _ bytes: [UInt8], mode: UInt32 = 0o644) throws {
  let fresh = FilePath("\(path).\(UInt64.random(in: .min ... .max))")
  try writeNewFile(fresh, bytes, mode: mode)
  do { try rename(fresh, to: path) } catch {
    try? removeFile(fresh)
    throw error
  }
}

/// The file that a path leads to, over symbolic links (realpath(3)); the path itself where there is none.
package func resolvingLinks(_ path: FilePath) -> FilePath {
  guard let resolved = realpath(path.string, nil) else { return path }
  defer { free(resolved) }
  return FilePath(String(cString: resolved))
}

/// Writes a file that is not there yet (open(2) with O_EXCL). Not durable, and not whole for whoever reads it meanwhile.
package func writeNewFile(_ path: FilePath, _ bytes: [UInt8], mode: UInt32 = 0o644) throws {
  let descriptor = try call("open", on: path.string) {
    open(path.string, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
  }
  let file = FileDescriptor(rawValue: descriptor)
  do {
    try file.closeAfter { _ = try file.writeAll(bytes) }
  } catch {
    // A part of it is of use to nobody.
    _ = unlink(path.string)
    throw error
  }
}
