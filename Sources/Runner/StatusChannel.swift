import CLinux
import Glibc
import LinuxSystem
import Synchronization
internal import SystemPackage

/// A shim's report socket, both ends. What is still open is closed with the value.
final class StatusChannel: Sendable {
  /// The service's end.
  let descriptor: FileDescriptor
  private let shimEnd: Mutex<FileDescriptor?>

  init() throws(SystemError) {
    var ends: [CInt] = [-1, -1]
    try call("socketpair") { clinux_socket_pair(&ends) }
    descriptor = FileDescriptor(rawValue: ends[0])
    shimEnd = Mutex(FileDescriptor(rawValue: ends[1]))
  }

  deinit {
    closeShimEnd()
    try? descriptor.close()
  }

  /// Passes the shim's end to `body` for the spawn and closes it here, so that the shim's end is seen as the end.
  func givingShimEnd<Result>(_ body: (FileDescriptor) throws -> Result) throws -> Result {
    defer { closeShimEnd() }
    guard let end = shimEnd.withLock({ $0 }) else { throw SystemError("socketpair", .badFileDescriptor) }
    return try body(end)
  }

  private func closeShimEnd() {
    let end = shimEnd.withLock { end in
      defer { end = nil }
      return end
    }
    try? end?.close()
  }

  /// Whether there is a report, or the end.
  var isReadable: Bool {
    var entry = pollfd(fd: descriptor.rawValue, events: Int16(POLLIN), revents: 0)
    return poll(&entry, 1, 0) > 0
  }

  /// The next report; nil when the shim has closed its end. Blocks.
  func receive() throws(SystemError) -> clinux_report? {
    var report = clinux_report()
    let size = MemoryLayout<clinux_report>.size
    let count: Int
    do {
      count = try call("recv") { clinux_receive(descriptor.rawValue, &report, size, 1) }
    } catch  where error.errno == .connectionReset {
      // The shim ended without having read the word for the start. That is told once, and in front of its report.
      count = try call("recv") { clinux_receive(descriptor.rawValue, &report, size, 1) }
    }
    return count == size ? report : nil
  }

  /// Gives a spare its request.
  func give(_ request: [UInt8]) throws {
    let memory = try ShimRequest.memory(request)
    defer { try? memory.close() }
    try call("sendmsg") { [number = memory.rawValue] in
      withUnsafePointer(to: number) { clinux_send_descriptors(descriptor.rawValue, $0, 1) }
    }
  }

  /// Tells a prepared container that it is to start.
  func go() throws(SystemError) {
    let byte: UInt8 = 1
    try call("send") {
      withUnsafeBytes(of: byte) { clinux_send(descriptor.rawValue, $0.baseAddress.unsafelyUnwrapped, 1, 0) }
    }
  }
}
