import CLinux
import Glibc
package import SystemPackage

/// What makes written data survive a power cut. All throw `SystemError`.
extension FileDescriptor {
  /// Waits until all that was written to the file system of this file before is on the disk (syncfs(2)).
  /// An error in writing back since the descriptor was opened is reported here.
  package func syncFileSystem() throws(SystemError) {
    try call("syncfs") { clinux_syncfs(rawValue) }
  }

  /// Waits until the file, or a directory's entries, are on the disk (fsync(2)).
  package func sync() throws(SystemError) { try call("fsync") { Glibc.fsync(rawValue) } }

  /// Asks the kernel to start writing a part of the file, and does not wait (sync_file_range(2)). Advice
  /// only: nothing is durable by it, and a file system that knows no such thing is no error.
  package func startWriteback(offset: Int64, length: Int64) {
    _ = clinux_start_writeback(rawValue, offset, length)
  }

  /// Has what is read and written from now on go to the disk itself, or by the page cache again (O_DIRECT). Past the cache, a
  /// file system takes whole blocks only, at an offset and from an address that are multiples of theirs, else EINVAL.
  ///
  /// - Throws: `invalidArgument` for a file system that has nothing but its cache.
  package func bypassCache(_ bypasses: Bool) throws(SystemError) {
    try call("fcntl") { clinux_bypass_cache(rawValue, bypasses ? 1 : 0) }
  }

  /// Writes all of `bytes` at the file's position, however many calls it takes (write(2)).
  package func writeFully(_ bytes: UnsafeRawBufferPointer) throws(SystemError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let part = UnsafeRawBufferPointer(rebasing: rest)
      let written = try call("write") { Glibc.write(rawValue, part.baseAddress, part.count) }
      rest = rest.dropFirst(written)
    }
  }

  /// As `writeFully`, at `offset` (pwrite(2)).
  package func writeFully(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(SystemError) {
    var rest = bytes[...]
    var position = offset
    while !rest.isEmpty {
      let part = UnsafeRawBufferPointer(rebasing: rest)
      let written = try call("pwrite") { Glibc.pwrite(rawValue, part.baseAddress, part.count, Int(position)) }
      rest = rest.dropFirst(written)
      position += Int64(written)
    }
  }

  /// Reads until `buffer` is full or the file ends (read(2)).
  ///
  /// - Returns: how many bytes there were.
  package func readFully(into buffer: UnsafeMutableRawBufferPointer) throws(SystemError) -> Int {
    var filled = 0
    while filled < buffer.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
      let count = try call("read") { Glibc.read(rawValue, rest.baseAddress, rest.count) }
      if count == 0 { break }
      filled += count
    }
    return filled
  }

  /// Sets the file's length; what is added reads as zeros (ftruncate(2)).
  package func setLength(_ length: Int64) throws(SystemError) {
    try call("ftruncate") { Glibc.ftruncate(rawValue, Int(length)) }
  }
}
