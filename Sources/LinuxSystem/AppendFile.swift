internal import Glibc
package import SystemPackage

/// An open file that several processes append to: positioned reads and writes, advisory locks, cuts, syncs.
///
/// Owns its descriptor (close-on-exec) and closes it with the last reference. All calls are safe from any
/// thread; order between writers is the caller's business, by `lock`.
package final class AppendFile: Sendable {
  package let path: FilePath
  private let descriptor: FileDescriptor

  /// - Parameter create: makes the file (mode 0600) where it is missing.
  /// - Throws: `SystemError` from open(2).
  package init(_ path: FilePath, writable: Bool, create: Bool = false, emptied: Bool = false) throws {
    var options: FileDescriptor.OpenOptions = [.closeOnExec, .noFollow]
    if create { options.insert(.create) }
    if emptied { options.insert(.truncate) }
    do {
      descriptor = try FileDescriptor.open(
        path, writable ? .readWrite : .readOnly, options: options,
        permissions: create ? [.ownerReadWrite] : nil)
    } catch let error as Errno {
      throw SystemError("open", error, on: path.string)
    }
    self.path = path
  }

  deinit { try? descriptor.close() }

  /// The file's length in bytes (fstat(2)).
  package func size() throws(SystemError) -> Int64 {
    var status = stat()
    try call("fstat", on: path.string) { fstat(descriptor.rawValue, &status) }
    return Int64(status.st_size)
  }

  /// Reads up to `limit` bytes at `offset` with one pread(2); fewer at the end of the file, none beyond it.
  package func read(at offset: Int64, limit: Int) throws(SystemError) -> [UInt8] {
    var failure: SystemError?
    let bytes = [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
      do throws(SystemError) {
        count = try call("pread", on: path.string) {
          pread(descriptor.rawValue, buffer.baseAddress, limit, off_t(offset))
        }
      } catch { failure = error }
    }
    if let failure { throw failure }
    return bytes
  }

  /// Writes at `offset` with one pwrite(2) and answers how many bytes the kernel took: fewer than given
  /// when the disk filled up on the way.
  package func write(_ bytes: [UInt8], at offset: Int64) throws(SystemError) -> Int {
    try call("pwrite", on: path.string) {
      bytes.withUnsafeBytes { pwrite(descriptor.rawValue, $0.baseAddress, $0.count, off_t(offset)) }
    }
  }

  /// Cuts the file at `size` bytes (ftruncate(2)).
  package func cut(at size: Int64) throws(SystemError) {
    try call("ftruncate", on: path.string) { ftruncate(descriptor.rawValue, off_t(size)) }
  }

  /// Waits until the bytes and the length are on stable storage (fdatasync(2)).
  package func syncData() throws(SystemError) {
    try call("fdatasync", on: path.string) { fdatasync(descriptor.rawValue) }
  }

  /// Runs `body` under an advisory lock of the whole file (flock(2)), waiting for other holders in this and
  /// other processes; the lock belongs to this object, so one thread at a time may hold it.
  package func withLock<Result>(exclusive: Bool, _ body: () throws -> Result) throws -> Result {
    try call("flock", on: path.string) { flock(descriptor.rawValue, exclusive ? LOCK_EX : LOCK_SH) }
    defer { flock(descriptor.rawValue, LOCK_UN) }
    return try body()
  }
}
