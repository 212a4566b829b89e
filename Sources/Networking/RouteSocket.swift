import CLinux
import EngineErrors
import Glibc
import LinuxSystem

/// Links, addresses and routes of one network namespace (rtnetlink(7)).
final class RouteSocket {
  let netlink: NetlinkConversation

  /// In the calling thread's network namespace.
  init() throws(SystemError) { netlink = try NetlinkConversation(.route) }

  struct Link: Hashable {
    var index: UInt32
    var name: String
    /// As bridge or veth; nil of a device.
    var kind: String?
    /// The index of the bridge that it is a port of.
    var master: UInt32?
    var mtu: UInt32
    var isUp: Bool
  }

  static let create = NLM_F_CREATE | NLM_F_EXCL

  // MARK: Links

  /// Nil where there is none with this name.
  func link(named name: String) throws -> Link? {
    do {
      return try netlink.request("look up interface \(name)", Int(RTM_GETLINK)) { message in
        message.linkHeader()
        message.attribute(IFLA_IFNAME, name)
        // RTEXT_FILTER_SKIP_STATS
        message.attribute(IFLA_EXT_MASK, number: 8)
      }.lazy.compactMap(Link.init).first
    } catch let error as NetlinkRefusal where error.errno == .noSuchDevice { return nil }
  }

  func links() throws -> [Link] {
    try netlink.request("list the interfaces", Int(RTM_GETLINK), flags: NLM_F_DUMP) { message in
      message.linkHeader()
      message.attribute(IFLA_EXT_MASK, number: 8)
    }.compactMap(Link.init)
  }

  func addBridge(_ name: String, mtu: UInt32, mac: [UInt8]) throws {
    try netlink.request("make bridge \(name)", Int(RTM_NEWLINK), flags: Self.create) { message in
      message.linkHeader()
      message.attribute(IFLA_IFNAME, name)
      message.attribute(IFLA_ADDRESS, mac)
      if mtu > 0 { message.attribute(IFLA_MTU, number: mtu) }
      message.nested(IFLA_LINKINFO) { $0.attribute(IFLA_INFO_KIND, Array("bridge".utf8)) }
    }
  }

  /// Makes a pair of interfaces: one here and up, and its peer in another network namespace. Both are there or neither.
  ///
  /// - Parameter namespace: a descriptor of the peer's.
  func addPair(_ name: String, mtu: UInt32, peer: String, mac: [UInt8], in namespace: CInt) throws {
    try netlink.request("make interface \(name)", Int(RTM_NEWLINK), flags: Self.create) { message in
      message.linkHeader(flags: Self.up)
      message.attribute(IFLA_IFNAME, name)
      if mtu > 0 { message.attribute(IFLA_MTU, number: mtu) }
      message.nested(IFLA_LINKINFO) { info in
        info.attribute(IFLA_INFO_KIND, Array("veth".utf8))
        info.nested(IFLA_INFO_DATA) { data in
          data.nested(VETH_INFO_PEER) { other in
            other.linkHeader()
            other.attribute(IFLA_IFNAME, peer)
            other.attribute(IFLA_ADDRESS, mac)
            if mtu > 0 { other.attribute(IFLA_MTU, number: mtu) }
            other.attribute(IFLA_NET_NS_FD, number: UInt32(bitPattern: namespace))
          }
        }
      }
    }
  }

  func setUp(_ index: UInt32) throws {
    try netlink.request("set an interface up", Int(RTM_NEWLINK)) { message in
      message.linkHeader(index: index, flags: Self.up)
    }
  }

  func setMaster(_ index: UInt32, _ master: UInt32) throws {
    try netlink.request("give an interface to a bridge", Int(RTM_NEWLINK)) { message in
      message.linkHeader(index: index)
      message.attribute(IFLA_MASTER, number: master)
    }
  }

  /// One that is gone is fine.
  func removeLink(_ name: String) throws {
    do {
      try netlink.request("remove interface \(name)", Int(RTM_DELLINK)) { message in
        message.linkHeader()
        message.attribute(IFLA_IFNAME, name)
      }
    } catch let error as NetlinkRefusal where error.errno == .noSuchDevice {}
  }

  private static let up = UInt32(IFF_UP)

  // MARK: Addresses and routes

  /// Gives an interface an address, for use at once: without a look for duplicates. One that it has already is fine. An interface
  /// whose IPv6 is off, as all are on some machines, gets it.
  func addAddress(_ address: IPAddress, prefix: Int, to link: Link) throws {
    do { try addAddress(address, prefix: prefix, to: link.index) } catch let error as NetlinkRefusal
      where error.errno == .permissionDenied && address.family == .v6
    {
      IPv6.turnOn(link.name)
      try addAddress(address, prefix: prefix, to: link.index)
    }
  }

  private func addAddress(_ address: IPAddress, prefix: Int, to index: UInt32) throws {
    try netlink.request(
      "give an interface the address \(address)", Int(RTM_NEWADDR), flags: NLM_F_CREATE | NLM_F_REPLACE
    ) {
      message in
      message.add(UInt8(truncatingIfNeeded: address.family.number))
      message.add(UInt8(truncatingIfNeeded: prefix))
      // IFA_F_NODAD
      message.add(UInt8(address.family == .v6 ? 0x02 : 0))
      message.add(UInt8(0))
      message.add(index)
      message.attribute(IFA_LOCAL, address.bytes)
      message.attribute(IFA_ADDRESS, address.bytes)
      if address.family == .v4, prefix < 31 {
        let broadcast = Subnet(address, prefix: prefix)
        message.attribute(IFA_BROADCAST, broadcast.address(broadcast.lastNumber).bytes)
      }
    }
  }

  /// - Parameter isRelayed: whether what is sent that way comes to a program such as pasta. It drops what the other side cannot
  ///   take yet, which is no sign of a network that is full, and is best sent again at once.
  func addDefaultRoute(by gateway: IPAddress, on index: UInt32, isRelayed: Bool) throws {
    try netlink.request("add the route by \(gateway)", Int(RTM_NEWROUTE), flags: NLM_F_CREATE | NLM_F_REPLACE)
    { message in
      message.add(UInt8(truncatingIfNeeded: gateway.family.number))
      for _ in 0..<3 { message.add(UInt8(0)) }
      // The main table; by whom (RTPROT_STATIC); everywhere; to a host.
      for byte in [254, 4, 0, 1] as [UInt8] { message.add(byte) }
      message.add(UInt32(0))
      message.attribute(Int(RTA_GATEWAY.rawValue), gateway.bytes)
      message.attribute(Int(RTA_OIF.rawValue), number: index)
      if !isRelayed { return }
      message.nested(Int(RTA_METRICS.rawValue)) { metrics in
        // Milliseconds, of usually 200, which TCP heeds where they are locked; and the congestion control that every kernel has.
        metrics.attribute(Int(RTAX_LOCK), number: UInt32(1) << RTAX_RTO_MIN)
        metrics.attribute(Int(RTAX_RTO_MIN), number: 5)
        metrics.attribute(Int(RTAX_CC_ALGO), "reno")
      }
    }
  }

  func removeDefaultRoute(_ family: IPAddress.Family) throws {
    do {
      try netlink.request("remove a route", Int(RTM_DELROUTE)) { message in
        message.add(UInt8(truncatingIfNeeded: family.number))
        for byte in [0, 0, 0, 254, 0, 0, 1] as [UInt8] { message.add(byte) }
        message.add(UInt32(0))
      }
    } catch let error as NetlinkRefusal
      where [.noSuchProcess, .noSuchFileOrDirectory, .networkUnreachable].contains(error.errno)
    {}
  }

  /// The host's own address in what it sends to the outside; nil where no route leads there. Nothing is sent.
  func outwardAddress(_ family: IPAddress.Family) throws -> IPAddress? {
    // Of a root name server (a.root-servers.net), which no route but the way to the outside leads to.
    let outside = try IPAddress(parsing: family == .v4 ? "198.41.0.4" : "2001:503:ba3e::2:30")
    let answers: [NetlinkAnswer]
    do {
      answers = try netlink.request("look up the way to the outside", Int(RTM_GETROUTE)) { message in
        message.add(UInt8(truncatingIfNeeded: family.number))
        message.add(UInt8(truncatingIfNeeded: family.length))
        for _ in 0..<6 { message.add(UInt8(0)) }
        message.add(UInt32(0))
        message.attribute(Int(RTA_DST.rawValue), outside.bytes)
      }
    } catch is NetlinkRefusal { return nil }
    let found = answers.lazy.compactMap { answer in
      answer.attributes(after: 12)[Int(RTA_PREFSRC.rawValue)].flatMap {
        IPAddress($0, family: UInt8(truncatingIfNeeded: family.number))
      }
    }.first
    // One of the link alone (fe80::/10) is an address with its interface only.
    return found.flatMap { $0.family == .v6 && $0.bits >> 118 == 0x3fa ? nil : $0 }
  }

  struct Route: Hashable {
    var destination: Subnet
    /// Nil of one that leads nowhere.
    var interface: UInt32?

    /// A default route, or a part of one: VPNs have them in halves (0.0.0.0/1, 128.0.0.0/1) and other parts (fc00::/7), so that
    /// they go before the machine's own. Nobody's own range is as large.
    var isWayOut: Bool { destination.prefix < 8 }
  }

  /// Those to other places, of the main table and of further ones, and those to the host's own addresses, of which some have
  /// no other; but for the loopback interface's own range.
  func routes(_ family: IPAddress.Family) throws -> [Route] {
    try netlink.request("list the routes", Int(RTM_GETROUTE), flags: NLM_F_DUMP) { message in
      message.add(UInt8(truncatingIfNeeded: family.number))
      for _ in 0..<11 { message.add(UInt8(0)) }
    }.compactMap { answer -> Route? in
      let header = Array(answer.body.prefix(12))
      // Besides its own addresses (RTN_LOCAL), the table `local` has what the others have, and multicast.
      guard header.count == 12, header[4] != 255 || header[7] == 2, CInt(header[0]) == family.number
      else { return nil }
      let attributes = answer.attributes(after: 12)
      let zero = [UInt8](repeating: 0, count: family.length / 8)
      guard let base = IPAddress(attributes[Int(RTA_DST.rawValue)] ?? zero[...], family: header[0]) else {
        return nil
      }
      if header[4] == 255, base.isLoopback { return nil }
      return Route(
        destination: Subnet(base, prefix: Int(header[1])), interface: attributes.number(Int(RTA_OIF.rawValue))
      )
    }
  }
}

extension RouteSocket.Link {
  init?(_ answer: NetlinkAnswer) {
    guard answer.kind == UInt16(RTM_NEWLINK), let index = answer.body.number(UInt32.self, at: 4),
      let flags = answer.body.number(UInt32.self, at: 8)
    else { return nil }
    let attributes = answer.attributes(after: 16)
    guard let name = attributes.text(IFLA_IFNAME) else { return nil }
    self.index = index
    self.name = name
    kind = attributes.nested(IFLA_LINKINFO)?.text(IFLA_INFO_KIND)
    master = attributes.number(IFLA_MASTER)
    mtu = attributes.number(IFLA_MTU) ?? 0
    isUp = flags & UInt32(IFF_UP) != 0
  }
}

extension IPAddress {
  /// - Parameter family: AF_INET or AF_INET6.
  init?(_ bytes: ArraySlice<UInt8>, family: UInt8) {
    let kind: Family
    switch CInt(family) {
    case AF_INET: kind = .v4
    case AF_INET6: kind = .v6
    default: return nil
    }
    guard bytes.count == kind.length / 8 else { return nil }
    self.init(kind, bytes.reduce(0) { $0 << 8 | UInt128($1) })
  }
}

extension NetlinkMessage {
  /// struct ifinfomsg.
  fileprivate mutating func linkHeader(index: UInt32 = 0, flags: UInt32 = 0) {
    add(UInt32(0))
    add(index)
    add(flags)
    // Which of the flags are meant.
    add(flags)
  }
}
