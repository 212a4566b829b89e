package import EngineErrors

/// Which ranges networks get, and which addresses of a range who is connected gets.
package enum AddressPool {
  /// Private addresses: first those that neither Docker nor podman takes by itself, and that home routers seldom have; then, as
  /// on a machine where a way leads to all of 10.0.0.0/8, the ends of the other ranges, whose beginnings others take.
  private static let pools4 = [
    Subnet(IPAddress(.v4, 0x0aa0_0000), prefix: 11), Subnet(IPAddress(.v4, 0xac18_0000), prefix: 13),
    Subnet(IPAddress(.v4, 0xc0a8_8000), prefix: 17), Subnet(IPAddress(.v4, 0x6460_0000), prefix: 11),
  ]
  /// RFC 4193: fd, forty random bits, and a number of sixteen more, all of them random here.
  private static let pool6 = Subnet(IPAddress(.v6, 0xfd << 120), prefix: 8)
  /// 4093 containers.
  private static let length4 = 20

  /// A range that overlaps with none of `taken`.
  ///
  /// - Parameter seed: where the search begins, so that stores which do not know of each other seldom meet.
  /// - Throws: `noSpace` when all are taken.
  package static func free(
    _ family: IPAddress.Family, besides taken: [Subnet], seed: UInt64
  ) throws(EngineError) -> Subnet {
    let pools = family == .v4 ? pools4 : [pool6]
    for pool in pools {
      if let subnet = free(pool, family == .v4 ? length4 : 64, besides: taken, seed: seed) { return subnet }
    }
    let all = pools.map(\.description).joined(separator: ", ")
    throw EngineError(
      .noSpace, "no address range is free: all of \(all) is taken", subject: all,
      hint: "remove networks that nothing needs, or give a range to which no route leads: "
        + "network create NAME --subnet RANGE, with the name bridge for the network that containers have by default"
    )
  }

  private static func free(_ pool: Subnet, _ length: Int, besides taken: [Subnet], seed: UInt64) -> Subnet? {
    let count = UInt128(1) << UInt128(length - pool.prefix)
    let shift = UInt128(pool.family.length - length)
    var step: UInt128 = 0
    while step < count {
      let number = (UInt128(seed) + step) % count
      let subnet = Subnet(pool.address(number << shift), prefix: length)
      guard let other = taken.first(where: subnet.overlaps) else { return subnet }
      step += 1
      // Behind all of it, where it is larger.
      if other.prefix < length { step += (other.lastNumber - (subnet.base.bits - other.base.bits)) >> shift }
    }
    return nil
  }

  /// Addresses of a network for one that is to be connected: those that are asked for, and else the next that are free, in
  /// turn, so that an address which was given back is not somebody else's at once.
  ///
  /// - Parameters:
  ///   - last: the number of the last lease.
  ///   - isTaken: whether somebody has an address.
  /// - Returns: one address of each range, and the number for the next time.
  /// - Throws: `invalidArgument` for an address that is not the network's to give, `inUse` for one that is taken, `noSpace`
  ///   when all are taken.
  package static func lease(
    _ ranges: [BridgePlan.Range], fixed: [IPAddress], after last: UInt64, isTaken: (IPAddress) throws -> Bool
  ) throws -> (addresses: [IPAddress], last: UInt64) {
    for address in fixed {
      guard let range = ranges.first(where: { $0.subnet.contains(address) }) else {
        throw EngineError(
          .invalidArgument, "address \(address) is not in the network", subject: address.description,
          hint: ranges.isEmpty
            ? "it has no ranges"
            : "its ranges are \(ranges.map(\.subnet.description).joined(separator: " and "))")
      }
      guard range.canGive(address) else {
        throw EngineError(
          .invalidArgument, "address \(address) is the network's own", subject: address.description,
          hint: "give another of its range, or none for the next free one")
      }
      if try isTaken(address) {
        throw EngineError(
          .inUse, "address \(address) is another container's", subject: address.description,
          hint: "give another, or none for the next free one; network inspect lists those that are taken")
      }
    }
    let free = ranges.filter { range in !fixed.contains { range.subnet.contains($0) } }
    guard let smallest = free.map(\.subnet.lastNumber).min() else { return (fixed, last) }
    // Both families get one number, for people's sake; 65536 of IPv6's are enough.
    let most = UInt64(min(smallest, 65535))
    for step in 0..<most {
      let number = (last &+ step) % most + 1
      let addresses = free.map { $0.subnet.address(UInt128(number)) }
      let areFree = try zip(free, addresses).allSatisfy { try $0.canGive($1) && !isTaken($1) }
      if areFree { return ((fixed + addresses).sorted { $0.family == .v4 && $1.family == .v6 }, number) }
    }
    throw EngineError(
      .noSpace, "all addresses of the network are taken", hint: "make a network with a larger range")
  }
}

extension BridgePlan.Range {
  /// Not the range's first, its last of IPv4, which is everybody's, and the host's.
  func canGive(_ address: IPAddress) -> Bool {
    guard let number = subnet.number(of: address), address != gateway, number != 0 else { return false }
    return subnet.family == .v6 || number != subnet.lastNumber
  }
}
