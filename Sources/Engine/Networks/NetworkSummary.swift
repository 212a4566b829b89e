package import Metadata

/// What a network is made from.
package struct NetworkOptions: Sendable {
  package var name: String
  /// At most one range of each family; empty for chosen ones.
  package var ranges: [(subnet: String, gateway: String?)] = []
  /// Whether a range of IPv6 is chosen as well.
  package var hasIPv6 = true
  package var isInternal = false
  /// In bytes; nil for that of the host's way to the outside.
  package var mtu: Int?
  package var labels: [String: String] = [:]
  package var lifetime = Lifetime.persistent

  package init(name: String) { self.name = name }
}

package struct NetworkSummary: Sendable {
  package var record: NetworkRecord
  package var labels: [String: String]
  /// How many containers are connected.
  package var containers: Int

  /// With the host's address in each, that of IPv4 first.
  package var ranges: [(subnet: String, gateway: String)] {
    [(record.subnet4, record.gateway4), (record.subnet6, record.gateway6)].compactMap { subnet, gateway in
      if let subnet, let gateway { (subnet, gateway) } else { nil }
    }
  }
}

/// A container's connection to a network as the engine tells of it.
package struct EndpointSummary: Sendable {
  package var network: String
  package var networkName: String
  package var container: String
  package var containerName: String
  package var interface: String
  /// With the lengths of the ranges.
  package var ipv4: String?
  package var ipv6: String?
  package var macAddress: String
  package var aliases: [String]
}
