import CLinux
import Glibc
import LinuxSystem
internal import SystemPackage

/// The service's end of a shim's report socket, closed with the value.
final class StatusChannel: Sendable {
  let descriptor: FileDescriptor

  init(_ descriptor: FileDescriptor) { self.descriptor = descriptor }

  deinit { try? descriptor.close() }

  /// The next report; nil when the shim has closed its end, or `interrupt` was called. Blocks.
  func receive() throws(SystemError) -> clinux_report? {
    var report = clinux_report()
    let size = MemoryLayout<clinux_report>.size
    let count = try call("recv") { clinux_receive(descriptor.rawValue, &report, size, 1) }
    return count == size ? report : nil
  }

  /// Ends a `receive` on another thread, and tells the shim that nobody listens.
  func interrupt() { shutdown(descriptor.rawValue, CInt(SHUT_RDWR)) }

  /// A pair: this process's end, and the shim's, which the caller closes.
  static func pair() throws(SystemError) -> (StatusChannel, FileDescriptor) {
    var ends: [CInt] = [-1, -1]
    try call("socketpair") { clinux_socket_pair(&ends) }
    return (StatusChannel(FileDescriptor(rawValue: ends[0])), FileDescriptor(rawValue: ends[1]))
  }
}
