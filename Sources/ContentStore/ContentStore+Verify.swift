import EngineErrors
import LinuxSystem
package import OCIModel
import SystemPackage

/// How a blob was found.
package enum BlobState: Sendable, Hashable {
  case whole
  case missing
  /// It is not, or not any more, what its digest says.
  case damaged
}

extension ContentStore {
  /// Whether a blob is there with the size that it should have: what can be told at once. A file that was cut off by the
  /// disk is none.
  package func isWhole(_ descriptor: Descriptor) -> Bool {
    (try? size(of: descriptor.digest)) == descriptor.size
  }

  /// Reads a blob to its end and compares its digest. Blocks.
  ///
  /// - Parameter progress: gets the bytes read so far; what it throws ends the reading.
  /// - Throws: what `progress` throws, and errors of the disk other than those that damage means.
  package func check(_ digest: Digest, progress: (Int64) throws -> Void = { _ in }) throws -> BlobState {
    guard contains(digest) else { return .missing }
    var hasher = SHA256()
    let file = try FileDescriptor.open(path(of: digest), .readOnly, options: [.closeOnExec, .noFollow])
    defer { try? file.close() }
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
    defer { buffer.deallocate() }
    var done: Int64 = 0
    while true {
      let count: Int
      do { count = try file.read(into: buffer) } catch {
        // A sector that cannot be read any more.
        guard (error as? Errno) == .ioError else { throw error }
        return .damaged
      }
      if count == 0 { break }
      hasher.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      done += Int64(count)
      try progress(done)
    }
    return hasher.finish() == digest ? .whole : .damaged
  }
}
