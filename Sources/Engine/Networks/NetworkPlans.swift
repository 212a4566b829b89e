import EngineErrors
import Metadata
import Networking

/// What the database says of networks, as the module Networking has it.
extension NetworkRecord {
  func plan() throws -> BridgePlan {
    do {
      let ranges = try [(subnet4, gateway4), (subnet6, gateway6)].compactMap {
        subnet, gateway -> BridgePlan.Range? in
        guard let subnet, let gateway else { return nil }
        return BridgePlan.Range(try Subnet(parsing: subnet), gateway: try IPAddress(parsing: gateway))
      }
      return BridgePlan(
        name: bridge, ranges: ranges, mtu: UInt32(clamping: mtu), isInternal: isInternal)
    } catch {
      throw EngineError(
        .corrupt, "cannot read the address ranges of network \(name)", subject: id, causes: ["\(error)"])
    }
  }
}

extension EndpointRecord {
  /// What the interface is called in the container.
  var interface: String { "eth\(number)" }

  var addresses: [IPAddress] {
    [address4, address6].compactMap { $0.flatMap { try? IPAddress(parsing: $0) } }
  }

  /// - Parameter families: those of which the container has no other way to the outside.
  func plan(
    in network: BridgePlan, store: String, wayOutOf families: Set<IPAddress.Family> = [.v4, .v6]
  ) -> LinkPlan {
    LinkPlan(
      bridge: network, peer: NetworkNames.peer(self, store: store), interface: interface,
      addresses: addresses,
      gateways: network.isInternal
        ? [] : network.ranges.map(\.gateway).filter { families.contains($0.family) })
  }

  func summary(of network: NetworkRecord, containerName: String) -> EndpointSummary {
    func withLength(_ address: String?, _ subnet: String?) -> String? {
      guard let address, let subnet, let slash = subnet.lastIndex(of: "/") else { return nil }
      return address + subnet[slash...]
    }
    return EndpointSummary(
      network: network.id, networkName: network.name, container: container, containerName: containerName,
      interface: interface, ipv4: withLength(address4, network.subnet4),
      ipv6: withLength(address6, network.subnet6),
      macAddress: MACAddress.text(MACAddress.bytes(for: addresses.first)), aliases: aliases)
  }
}

/// What a store's interfaces and its table are called: several stores share a host, and each takes only its own away.
enum NetworkNames {
  /// Of bridges; an interface's name has 15 bytes at most.
  static func bridgePrefix(store: String) -> String { "cor-\(store.prefix(5))" }
  /// Of the host's ends of containers' links.
  static func peerPrefix(store: String) -> String { "cv\(store.prefix(5))" }

  static func bridge(of network: String, store: String) -> String {
    bridgePrefix(store: store) + network.prefix(6)
  }

  /// The same for each run of the container, so that what an earlier one left is found.
  static func peer(_ endpoint: EndpointRecord, store: String) -> String {
    let digits = String(stableHash(endpoint.network + endpoint.container), radix: 16)
    return peerPrefix(store: store) + (String(repeating: "0", count: 16 - digits.count) + digits).suffix(8)
  }

  static func table(store: String) -> String { "coracle_\(store)" }

  /// - Throws: `invalidArgument` for what means something else already, or cannot be told from an id.
  static func validate(_ name: String) throws {
    guard name.wholeMatch(of: #/[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}/#) != nil else {
      throw EngineError(
        .invalidArgument, "not a network name: '\(name.prefix(200))'", subject: name,
        hint: "a name is a letter or digit and then letters, digits, '_', '.' and '-'")
    }
    if ["none", "host", "container", "default"].contains(name) {
      throw EngineError(
        .invalidArgument, "no network can be called \(name)", subject: name, hint: "it means something else")
    }
  }

  /// - Throws: `invalidArgument` for what cannot stand in a hosts file as one name.
  static func validate(alias: String) throws {
    guard alias.utf8.count <= 253, alias.wholeMatch(of: #/[a-zA-Z0-9_]([a-zA-Z0-9_.-]*[a-zA-Z0-9_])?/#) != nil
    else {
      throw EngineError(
        .invalidArgument, "not a host name: '\(alias.prefix(200))'", subject: String(alias.prefix(200)),
        hint: "use letters, digits, - and ., at most 253 of them")
    }
  }
}
