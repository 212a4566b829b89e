/// A network, from its creation to its removal.
package struct NetworkRecord: Hashable, Sendable {
  package var id: String
  /// Unique among all networks.
  package var name: String
  /// The interface on the host, unique among all networks.
  package var bridge: String
  /// Address ranges and the host's address in each; nil where it has none of the kind.
  package var subnet4: String?
  package var gateway4: String?
  package var subnet6: String?
  package var gateway6: String?
  package var mtu: Int64
  /// Whether it leads nowhere else.
  package var isInternal = false
  /// As JSON; this module does not look into it.
  package var labels = "{}"
  /// In nanoseconds since 1970.
  package var createdAt: Int64
  /// The session that it goes with; nil for one that stays.
  package var session: String?
  /// When the last one was disconnected from it, in seconds that are given in nanoseconds since 1970; when it was made where nobody
  /// was. Of no meaning while somebody is connected.
  package var unusedSince: Int64

  package init(id: String, name: String, bridge: String, mtu: Int64, createdAt: Int64) {
    self.id = id
    self.name = name
    self.bridge = bridge
    self.mtu = mtu
    self.createdAt = createdAt
    unusedSince = createdAt
  }
}

/// A container's connection to a network, with the addresses that are its own for as long as the row is there: until it is
/// disconnected or removed, whether it runs or not.
package struct EndpointRecord: Hashable, Sendable {
  /// Ids.
  package var network: String
  package var container: String
  /// Of its interface in the container, eth0 being the first.
  package var number: Int64
  package var address4: String?
  package var address6: String?
  package var aliases: [String]
}

/// A connection that is to be made.
package struct EndpointRequest: Hashable, Sendable {
  /// The network's id.
  package var network: String
  /// Fixed addresses; nil for free ones.
  package var address4: String?
  package var address6: String?
  package var aliases: [String]

  package init(network: String, address4: String? = nil, address6: String? = nil, aliases: [String] = []) {
    self.network = network
    self.address4 = address4
    self.address6 = address6
    self.aliases = aliases
  }
}

/// Addresses for a new connection.
package struct AddressLease: Hashable, Sendable {
  package var address4: String?
  package var address6: String?
  /// Where the search for the next one begins.
  package var last: Int64

  package init(address4: String?, address6: String?, last: Int64) {
    self.address4 = address4
    self.address6 = address6
    self.last = last
  }
}

/// Chooses addresses in the transaction that takes them: which network, what is asked for, the number of the last lease, and
/// whether an address is taken. What it throws calls the transaction off.
package typealias AddressChoice =
  @Sendable (NetworkRecord, EndpointRequest, Int64, (String) throws -> Bool) throws -> AddressLease

/// A connection with the name of its container.
package struct NetworkMember: Hashable, Sendable {
  package var endpoint: EndpointRecord
  package var name: String
}
