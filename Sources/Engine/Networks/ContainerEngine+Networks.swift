import EngineErrors
import Foundation
import LinuxSystem
import Metadata
import Networking

extension ContainerEngine {
  /// The network that is made when it is first used.
  static var defaultNetwork: String { "bridge" }

  /// Makes a network: its row, and then its bridge.
  ///
  /// - Throws: `alreadyExists` for the name; `invalidArgument`; `conflict` for a range that another network or a route of the
  ///   host has.
  package func createNetwork(_ options: NetworkOptions) async throws -> NetworkSummary {
    try NetworkNames.validate(options.name)
    let record = try await insertNetwork(options)
    Failpoint.networkRecorded.pass()
    do {
      try await hostNetwork().ensure([record.plan()])
      try await ensureFirewall()
    } catch {
      // What cannot be made is not to stay.
      try? await Task { try await removeNetwork(record) }.value
      throw error
    }
    return try summary(record)
  }

  package func listNetworks() async throws -> [NetworkSummary] {
    await repairNetworks()
    let counts = try metadata.endpoints().reduce(into: [:]) { $0[$1.network, default: 0] += 1 }
    return try metadata.networks().map { try summary($0, containers: counts[$0.id] ?? 0) }
  }

  package func inspectNetwork(_ name: String) async throws -> (NetworkSummary, [EndpointSummary]) {
    let record = try metadata.network(matching: name)
    let members = try metadata.members(ofNetwork: record.id)
    return (
      try summary(record, containers: members.count),
      members.map { $0.endpoint.summary(of: record, containerName: $0.name) }
    )
  }

  /// - Throws: `inUse` when containers are connected, whether they run or not.
  package func removeNetwork(_ name: String) async throws {
    let record = try metadata.network(matching: name)
    try await Task { try await removeNetwork(record) }.value
  }

  /// Not stopped by cancellation: half a network would be left, for the next look.
  func removeNetwork(_ record: NetworkRecord) async throws {
    guard try await metadata.removeNetwork(record, events: [.networkRemoved(record.id, name: record.name)])
    else {
      throw EngineError(
        .notFound, "network \(record.name) was removed meanwhile", subject: record.id,
        hint: "nothing is left to do")
    }
    Failpoint.networkUnrecorded.pass()
    guard let host = try await presentHostNetwork() else { return }
    try await host.remove(bridge: record.bridge)
    Failpoint.bridgeRemoved.pass()
    try await ensureFirewall()
  }

  /// The network that a container is to be connected to, which is made where it is the default one.
  func network(for name: String) async throws -> NetworkRecord {
    guard name == Self.defaultNetwork, try metadata.network(named: name) == nil else {
      return try metadata.network(matching: name)
    }
    do {
      return try await createNetwork(NetworkOptions(name: name)).record
    } catch let error as EngineError where error.kind == .alreadyExists {
      return try metadata.network(matching: name)
    }
  }

  private func insertNetwork(_ options: NetworkOptions) async throws -> NetworkRecord {
    let surroundings = try await hostNetwork().surroundings()
    // Behind pasta are the host's.
    let routed =
      try await userNetwork == nil
      ? surroundings.routed : surroundings.routed + ownHostNetwork.surroundings().routed
    let mtu = options.mtu.map(Int64.init) ?? Int64(surroundings.mtu ?? 1500)
    let asked = try AskedRanges(options, hasIPv6: surroundings.hasIPv6, mtu: mtu)
    let id = ContainerName.newIdentifier()
    let store = try metadata.storeIdentity()
    var record = NetworkRecord(
      id: id, name: options.name, bridge: NetworkNames.bridge(of: id, store: store), mtu: mtu,
      createdAt: Timestamp.now)
    record.isInternal = options.isInternal
    record.labels = String(decoding: try encode(options.labels), as: UTF8.self)
    if options.lifetime == .session { record.session = try ownSession() }
    let seed = UInt64(id.prefix(16), radix: 16) ?? 0
    return try await metadata.insertNetwork(record) { record, others in
      try asked.complete(&record, others: others, routed: routed, seed: seed)
    } events: {
      [.networkCreated($0.id, name: $0.name)]
    }
  }

  private func summary(_ record: NetworkRecord, containers: Int = 0) throws -> NetworkSummary {
    NetworkSummary(
      record: record,
      labels: (try? JSONDecoder().decode([String: String].self, from: Data(record.labels.utf8))) ?? [:],
      containers: containers)
  }

  /// Where networks are: the host's network for root, and a namespace of an ordinary user's own, which is made where it is
  /// missing.
  ///
  /// - Throws: `unsupported` where this service can make no networks.
  func hostNetwork() async throws -> HostNetwork {
    guard let userNetwork else { return ownHostNetwork }
    // In another one than before, containers that run are to be connected anew.
    if try await userNetwork.prepare() { Task { await repairNetworks() } }
    return userNetwork.host
  }

  /// The same where it is there; nil where an ordinary user has none, and so nothing in it.
  func presentHostNetwork() async throws -> HostNetwork? {
    guard let userNetwork, try await !userNetwork.isThere() else { return try await hostNetwork() }
    return nil
  }
}

/// The ranges that a network is to have, so far as they were said.
private struct AskedRanges: Sendable {
  private var given: [BridgePlan.Range] = []
  private var chosen: [IPAddress.Family] = []
  /// The machine's own addresses, those of links, which mean nothing without an interface or are a cloud's, and those of groups.
  private static let reserved = [
    Subnet(IPAddress(.v4, 0x7f00_0000), prefix: 8), Subnet(IPAddress(.v4, 0xa9fe_0000), prefix: 16),
    Subnet(IPAddress(.v4, 0xe000_0000), prefix: 4), Subnet(IPAddress(.v6, 1), prefix: 128),
    Subnet(IPAddress(.v6, 0xfe80 << 112), prefix: 10), Subnet(IPAddress(.v6, 0xff << 120), prefix: 8),
  ]

  /// Of IPv6 (RFC 8200), without which the kernel has none on an interface.
  private static let smallestMTU = 1280

  init(_ options: NetworkOptions, hasIPv6: Bool, mtu: Int64) throws {
    let fitsIPv6 = mtu >= Self.smallestMTU
    for (text, gateway) in options.ranges {
      let subnet = try Subnet(parsing: text)
      // One for the host, and one for a container at least, besides the two that are nobody's.
      guard subnet.lastNumber >= 3 else {
        throw EngineError(
          .invalidArgument, "address range \(subnet) is too small", subject: text,
          hint: "give one of at least four addresses: up to \(subnet.base)/\(subnet.family.length - 2)")
      }
      if let reserved = Self.reserved.first(where: { $0.overlaps(subnet) }) {
        throw EngineError(
          .invalidArgument,
          "address range \(subnet) is, or has, a part of \(reserved), which no network can have",
          subject: text, hint: "give a private one, such as 10.89.0.0/24 or fd00:1::/64")
      }
      guard !given.contains(where: { $0.subnet.family == subnet.family }) else {
        throw EngineError(
          .invalidArgument, "a network has one address range of IPv4 and one of IPv6 at most", subject: text,
          hint: "give one of each, or make a network for each range")
      }
      if subnet.family == .v6, !hasIPv6 {
        throw EngineError(
          .unsupported, "this machine has no IPv6", subject: text,
          hint:
            "leave the range out, or turn IPv6 on (sysctl net.ipv6.conf.all.disable_ipv6=0; a kernel that was started with ipv6.disable=1 has none)"
        )
      }
      if subnet.family == .v6, !fitsIPv6 {
        throw EngineError(
          .invalidArgument, "IPv6 takes packets of \(Self.smallestMTU) bytes, and the network's have \(mtu)",
          subject: text, hint: "leave the range out, or give an MTU of \(Self.smallestMTU) or more")
      }
      let host = try gateway.map { try IPAddress(parsing: $0) } ?? subnet.address(1)
      guard let number = subnet.number(of: host), number != 0,
        subnet.family == .v6 || number != subnet.lastNumber
      else {
        throw EngineError(
          .invalidArgument, "\(host) cannot be the host's address in \(subnet)", subject: host.description,
          hint: "give another of the range, or none for \(subnet.address(1))")
      }
      given.append(BridgePlan.Range(subnet, gateway: host))
    }
    if given.isEmpty { chosen = options.hasIPv6 && hasIPv6 && fitsIPv6 ? [.v4, .v6] : [.v4] }
  }

  func complete(
    _ record: inout NetworkRecord, others: [NetworkRecord], routed: [Subnet], seed: UInt64
  ) throws {
    let networks = try others.flatMap { other in try other.plan().ranges.map { (other.name, $0.subnet) } }
    for range in given {
      if let (name, subnet) = networks.first(where: { $0.1.overlaps(range.subnet) }) {
        throw EngineError(
          .conflict, "network \(name) has \(subnet), of which \(range.subnet) is a part or has a part",
          subject: range.subnet.description, hint: "give another range")
      }
      if let route = routed.first(where: { $0.overlaps(range.subnet) }) {
        throw EngineError(
          .conflict, "the host has a route to \(route), of which \(range.subnet) is a part or has a part",
          subject: range.subnet.description, hint: "give another range")
      }
    }
    let ranges =
      try given
      + chosen.map { family in
        let subnet = try AddressPool.free(family, besides: networks.map(\.1) + routed, seed: seed)
        return BridgePlan.Range(subnet, gateway: subnet.address(1))
      }
    for range in ranges {
      let (subnet, gateway) = (range.subnet.description, range.gateway.description)
      switch range.subnet.family {
      case .v4: (record.subnet4, record.gateway4) = (subnet, gateway)
      case .v6: (record.subnet6, record.gateway6) = (subnet, gateway)
      }
    }
  }
}
