package import EngineErrors
import Foundation
package import Runner

/// A port of a container's, and which of the host's lead to it.
package struct PortMapping: Hashable, Sendable, Codable {
  /// Of the host's, in its usual form; nil for all.
  package var address: String?
  /// The first that is free of them is taken; nil for any free one.
  package var hostPorts: ClosedRange<UInt16>?
  package var containerPort: UInt16
  package var transport: ForwardedPort.Transport
  /// Of the host's, since the last start.
  package internal(set) var taken: UInt16?

  package init(
    address: String? = nil, hostPorts: ClosedRange<UInt16>? = nil, containerPort: UInt16,
    transport: ForwardedPort.Transport = .tcp
  ) {
    self.address = address
    self.hostPorts = hostPorts
    self.containerPort = containerPort
    self.transport = transport
  }

  package static let most = 1024

  /// One mapping for each port of a range of the container's. As many ports of the host's lead to them in turn, or any free
  /// ones where nil; with a single port of the container's the first free one of theirs.
  ///
  /// - Throws: `invalidArgument` where the ranges do not fit, or for an address that is none.
  package static func each(
    address: String?, hostPorts: ClosedRange<UInt16>?, containerPorts: ClosedRange<UInt16>,
    _ transport: ForwardedPort.Transport
  ) throws(EngineError) -> [PortMapping] {
    var canonical: String?
    if let address {
      guard let found = ForwardedPort.canonical(address) else {
        throw EngineError(
          .invalidArgument, "not an IP address: \(address.prefix(100))", subject: String(address.prefix(100)),
          hint: "give one of this machine's, such as 127.0.0.1 or ::1, or none for all")
      }
      canonical = found == "::" ? nil : found
    }
    guard containerPorts.count <= most else { throw tooMany }
    if containerPorts.count > 1, let hostPorts, hostPorts.count != containerPorts.count {
      throw EngineError(
        .invalidArgument,
        "\(hostPorts.count) ports of the machine's cannot lead to \(containerPorts.count) of the container's",
        subject: "ports", hint: "give as many of both")
    }
    return containerPorts.enumerated().map { offset, port in
      let own = hostPorts.map { $0.lowerBound + UInt16(offset) }
      return PortMapping(
        address: canonical, hostPorts: containerPorts.count == 1 ? hostPorts : own.map { $0...$0 },
        containerPort: port, transport: transport)
    }
  }

  static var tooMany: EngineError {
    EngineError(
      .invalidArgument, "a container has at most \(most) published ports", subject: "ports",
      hint: "publish fewer, or give the container the host's network")
  }

  /// What an image exposes, as `80`, `53/udp` or `8000-8010/tcp`; what is none of these is left out.
  ///
  /// - Throws: `invalidArgument` for more than can be published.
  static func exposed(_ text: String) throws(EngineError) -> [PortMapping] {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    let words = parts[0].split(separator: "-", omittingEmptySubsequences: false)
    let ends = words.compactMap { UInt16($0) }
    guard parts.count <= 2, words.count <= 2, ends.count == words.count,
      let transport = ForwardedPort.Transport(rawValue: parts.count == 2 ? String(parts[1]) : "tcp"),
      let first = ends.first, let last = ends.last, first > 0, first <= last
    else { return [] }
    return try each(address: nil, hostPorts: nil, containerPorts: first...last, transport)
  }

  /// Takes a port of the host's, before anything of the container is started.
  ///
  /// - Throws: as `ReservedPort`.
  func reserve() throws(EngineError) -> ReservedPort {
    let hostPorts = hostPorts ?? 0...0
    var wanted = ForwardedPort(
      address: address, hostPort: 0, containerPort: containerPort, transport: transport)
    for port in hostPorts {
      wanted.hostPort = port
      do { return try ReservedPort(wanted) } catch  where error.kind == .conflict && hostPorts.count > 1 {}
    }
    throw EngineError(
      .conflict,
      "cannot publish port \(containerPort)/\(transport.rawValue): all ports of the machine's from \(hostPorts.lowerBound) to \(hostPorts.upperBound) are taken",
      subject: "\(hostPorts.lowerBound)-\(hostPorts.upperBound)/\(transport.rawValue)",
      hint: "name others, or 0 for a free one")
  }

  /// Where it is reached while the container runs.
  var published: ForwardedPort? {
    taken.map {
      ForwardedPort(address: address, hostPort: $0, containerPort: containerPort, transport: transport)
    }
  }

  /// Whether this one is meant by another, which may leave out the host's side.
  func isMeant(by other: PortMapping) -> Bool {
    guard containerPort == other.containerPort, transport == other.transport else { return false }
    guard other.address == nil || other.address == address else { return false }
    guard let wanted = other.hostPorts else { return true }
    // The port that it has, of those that it might have had.
    return taken.map { wanted.contains($0) } ?? hostPorts.map { wanted.overlaps($0) } ?? false
  }
}

extension PortMapping: CustomStringConvertible {
  package var description: String {
    let host = address.map { $0.contains(":") ? "[\($0)]:" : "\($0):" } ?? ""
    let port =
      taken.map { "\($0)" }
      ?? hostPorts.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" } ?? "0"
    return "\(host)\(port):\(containerPort)/\(transport.rawValue)"
  }
}
