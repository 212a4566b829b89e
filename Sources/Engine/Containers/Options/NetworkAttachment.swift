/// A network that a container is to be connected to.
package struct NetworkAttachment: Hashable, Sendable, Codable {
  /// A name, an id, or the beginning of one.
  package var network: String
  /// Names by which the network's containers find it, besides its own.
  package var aliases: [String] = []
  /// Fixed addresses; nil for free ones.
  package var ipv4: String?
  package var ipv6: String?

  package init(network: String) { self.network = network }
}

/// A name that a container knows.
package struct HostAddress: Hashable, Sendable, Codable {
  package var name: String
  /// An address, or `hostGateway`.
  package var address: String

  /// The address by which the container reaches the host.
  package static let hostGateway = "host-gateway"

  package init(name: String, address: String) {
    self.name = name
    self.address = address
  }
}

extension ContainerOptions {
  /// Whether a name is to lead to the host.
  var wantsHostAddress: Bool { extraHosts?.contains { $0.address == HostAddress.hostGateway } ?? false }
}

/// Whom a container asks for names (resolv.conf(5)); what is nil or empty is the host's.
package struct NameServers: Hashable, Sendable, Codable {
  package var servers: [String] = []
  package var searches: [String]?
  package var options: [String]?

  package init() {}
}
