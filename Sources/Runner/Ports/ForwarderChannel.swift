import CLinux
internal import EngineErrors
import Glibc
import LinuxSystem
internal import SystemPackage

/// A service's connection to a container's forwarder. Each call blocks for the moment that the answer takes.
final class ForwarderChannel: Sendable {
  private let socket: CInt
  private let isOwned: Bool

  /// Takes the descriptor over.
  init(_ socket: CInt) {
    self.socket = socket
    isOwned = true
  }

  /// On the socket that a new forwarder reports on.
  init(_ channel: StatusChannel) {
    socket = channel.descriptor.rawValue
    isOwned = false
  }

  deinit { if isOwned { close(socket) } }

  /// - Throws: `noSpace` where it has as many as it can.
  func add(_ port: ReservedPort) throws {
    try ask(port.port.packet(CLINUX_FORWARD_ADD), port.socket.rawValue, port.port)
  }

  func remove(_ port: ForwardedPort) throws {
    try ask(port.packet(CLINUX_FORWARD_REMOVE), -1, port)
  }

  private func ask(_ packet: clinux_forward, _ descriptor: CInt, _ port: ForwardedPort) throws {
    var packet = packet
    try call("sendmsg") { clinux_send_forward(socket, &packet, descriptor) }
    // A forwarder that could not begin sends a report instead.
    var report = clinux_report()
    let count = try call("recv") { clinux_receive(socket, &report, MemoryLayout<clinux_report>.size, 1) }
    if count == MemoryLayout<clinux_report>.size {
      throw SystemError(String(cString: clinux_step_name(report.step)), Errno(rawValue: report.error))
    }
    guard count == MemoryLayout<CInt>.size else {
      throw EngineError(.internal, "the forwarder ended unexpectedly", subject: port.description)
    }
    let error = withUnsafeBytes(of: &report) { $0.loadUnaligned(as: CInt.self) }
    if error == ENOSPC {
      throw EngineError(
        .noSpace, "the container has as many ports as it can have", subject: port.description)
    }
    if error != 0 { throw SystemError("forward", Errno(rawValue: error), on: port.description) }
  }
}
