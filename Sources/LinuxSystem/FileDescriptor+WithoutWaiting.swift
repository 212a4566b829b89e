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
}
