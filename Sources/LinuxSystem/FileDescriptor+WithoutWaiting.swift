internal import CLinux
package import SystemPackage

extension FileDescriptor {
  /// Writes what fits now, on any thread: also where the descriptor is one that others share and that blocks
  /// (pwritev2(2), RWF_NOWAIT).
  ///
  /// - Returns: how many bytes; 0 also where the file cannot be written so, or not at all, of which `write` has the reason.
  package func writeWithoutWaiting(_ bytes: [UInt8]) -> Int {
    bytes.withUnsafeBytes { max(0, clinux_write_without_waiting(rawValue, $0.baseAddress, $0.count)) }
  }

  /// Lets calls for this open file, also by others that have it, fail where they would wait (O_NONBLOCK).
  package func setNonBlocking() throws(SystemError) {
    try call("fcntl") { clinux_set_nonblocking(rawValue) }
  }

  /// Writes all bytes to a pipe or a terminal that does not block. Whoever does not read them holds up this task, and no thread.
  ///
  /// - Throws: `CancellationError` as soon as the task is cancelled, when a part may have been written; `Errno` from write(2).
  package func writeAsItFits(_ bytes: [UInt8]) async throws {
    var rest = bytes[...]
    while !rest.isEmpty {
      try Task.checkCancellation()
      do {
        rest = rest.dropFirst(try rest.withUnsafeBytes { try write($0) })
      } catch Errno.resourceTemporarilyUnavailable {
        try await DescriptorWatcher.shared.writable(self)
      }
    }
  }
}
