/// A network as the host has it: a bridge with the host's addresses on it.
package struct BridgePlan: Hashable, Sendable {
  /// At most 15 bytes, as of all interfaces.
  package var name: String
  package var ranges: [Range]
  package var mtu: UInt32
  /// Whether it leads nowhere else.
  package var isInternal: Bool

  package struct Range: Hashable, Sendable {
    package var subnet: Subnet
    /// The host's address in it.
    package var gateway: IPAddress

    package init(_ subnet: Subnet, gateway: IPAddress) {
      self.subnet = subnet
      self.gateway = gateway
    }
  }

  package init(name: String, ranges: [Range], mtu: UInt32, isInternal: Bool) {
    self.name = name
    self.ranges = ranges
    self.mtu = mtu
    self.isInternal = isInternal
  }
}

/// A container's connection to a network: an interface in it, with a peer that is a port of the bridge.
package struct LinkPlan: Hashable, Sendable {
  package var bridge: BridgePlan
  /// The host's end, and the container's.
  package var peer: String
  package var interface: String
  package var addresses: [IPAddress]
  /// By which the outside is reached, one of each family at most; those of which another link does that are not among them.
  package var gateways: [IPAddress]

  package init(
    bridge: BridgePlan, peer: String, interface: String, addresses: [IPAddress], gateways: [IPAddress]
  ) {
    self.bridge = bridge
    self.peer = peer
    self.interface = interface
    self.addresses = addresses
    self.gateways = gateways
  }

  /// Of the interface in the container.
  package var macAddress: [UInt8] { MACAddress.bytes(for: addresses.first) }
}

/// Hardware addresses follow from the IP address, so that nobody has a stale one in mind of an address that has gone to another.
package enum MACAddress {
  package static func bytes(for address: IPAddress?) -> [UInt8] {
    // Locally administered, of a single host.
    [0x02, 0x42] + (address.map { Array($0.bytes.suffix(4)) } ?? [0, 0, 0, 0])
  }

  package static func text(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
  }
}
