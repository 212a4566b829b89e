import CLinux
import Glibc

/// A port of the host's that leads to one of a container's.
package struct ForwardedPort: Hashable, Sendable, Codable {
  package enum Transport: String, Hashable, Sendable, Codable, CaseIterable {
    case tcp, udp

    var number: UInt32 { self == .tcp ? CLINUX_TCP.rawValue : CLINUX_UDP.rawValue }
  }

  /// Of the host's, as `canonical` has it; nil for all of both families.
  package var address: String?
  package var hostPort: UInt16
  package var containerPort: UInt16
  package var transport: Transport

  package init(address: String? = nil, hostPort: UInt16, containerPort: UInt16, transport: Transport = .tcp) {
    self.address = address
    self.hostPort = hostPort
    self.containerPort = containerPort
    self.transport = transport
  }

  /// An address in its usual form; nil for what is none.
  package static func canonical(_ address: String) -> String? {
    guard let bytes = bytes(address) else { return nil }
    var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    let isNarrow = !address.contains(":")
    let shown = isNarrow ? Array(bytes.suffix(4)) : bytes
    guard inet_ntop(isNarrow ? AF_INET : AF_INET6, shown, &text, socklen_t(text.count)) != nil else {
      return nil
    }
    return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  /// Of IPv6, or of IPv4 mapped to it (inet_pton(3)).
  private static func bytes(_ address: String) -> [UInt8]? {
    var narrow = [UInt8](repeating: 0, count: 4)
    var wide = [UInt8](repeating: 0, count: 16)
    if inet_pton(AF_INET, address, &narrow) == 1 {
      return [UInt8](repeating: 0, count: 10) + [0xff, 0xff] + narrow
    }
    return inet_pton(AF_INET6, address, &wide) == 1 ? wide : nil
  }

  /// Zeros for all addresses. What is none has been refused where ports are read; it would be all as well.
  var addressBytes: [UInt8] { address.flatMap(Self.bytes) ?? [UInt8](repeating: 0, count: 16) }

  func packet(_ kind: clinux_forward_kind) -> clinux_forward {
    var packet = clinux_forward()
    packet.kind = kind.rawValue
    packet.protocol = transport.number
    packet.host_port = hostPort
    packet.container_port = containerPort
    let bytes = addressBytes
    withUnsafeMutableBytes(of: &packet.host_address) { $0.copyBytes(from: bytes) }
    return packet
  }
}

extension ForwardedPort: CustomStringConvertible {
  /// The host's side, as people write it.
  package var description: String {
    let host = address.map { $0.contains(":") ? "[\($0)]:" : "\($0):" } ?? ""
    return "\(host)\(hostPort)/\(transport.rawValue)"
  }
}
