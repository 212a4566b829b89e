import CLinux
package import EngineErrors
import Glibc
import LinuxSystem
internal import SystemPackage

/// A port of the host's that nobody else can have while the value lives, or a forwarder that has got it.
///
/// It listens, or is bound, in the network of the service, which is the host's.
package final class ReservedPort: Sendable {
  package let port: ForwardedPort
  let socket: FileDescriptor

  /// - Parameter port: with host port 0 the kernel takes a free one.
  /// - Throws: `conflict` for a port that is taken; `invalidArgument` for an address that is not the machine's;
  ///   `permissionDenied` for one that the user may not have.
  package init(_ port: ForwardedPort) throws(EngineError) {
    var number = port.hostPort
    do {
      socket = FileDescriptor(
        rawValue: try call("bind", on: port.description) {
          clinux_open_port(port.transport.number, port.addressBytes, &number)
        })
    } catch {
      throw Self.refusal(of: port, error)
    }
    var port = port
    port.hostPort = number
    self.port = port
  }

  deinit { try? socket.close() }

  private static func refusal(of port: ForwardedPort, _ error: SystemError) -> EngineError {
    let purpose = "cannot publish port \(port.containerPort)/\(port.transport.rawValue) at \(port)"
    switch error.errno {
    case .addressInUse:
      return EngineError(
        .conflict, "\(purpose): the port is taken", subject: port.description, causes: [error.description],
        hint: "name another port of the machine's, or 0 for a free one")
    case .addressNotAvailable:
      return EngineError(
        .invalidArgument, "\(purpose): the address is not one of this machine's", subject: port.description,
        causes: [error.description],
        hint: "name one that `ip address` shows, 127.0.0.1 for this machine alone, or none for all of them")
    case .permissionDenied, .notPermitted:
      return EngineError(
        .permissionDenied, "\(purpose): it takes root", subject: port.description,
        causes: [error.description],
        hint: "ports from \(firstOrdinaryPort) on are everybody's; as root: sysctl "
          + "net.ipv4.ip_unprivileged_port_start=\(port.hostPort)")
    default:
      return EngineError("publish port \(port)", error, subject: port.description)
    }
  }

  private static var firstOrdinaryPort: Int {
    let path: FilePath = "/proc/sys/net/ipv4/ip_unprivileged_port_start"
    let text = (try? readSmallFile(path, limit: 16)) ?? ""
    return Int(text.prefix { $0.isNumber }) ?? 1024
  }
}
