import EngineErrors
import Networking
import Testing

struct AddressPoolTests {
  private func range(_ text: String) throws -> BridgePlan.Range {
    let subnet = try Subnet(parsing: text)
    return BridgePlan.Range(subnet, gateway: subnet.address(1))
  }

  @Test func aFreeRangeOverlapsWithNoOther() throws {
    var taken: [Subnet] = [try Subnet(parsing: "10.160.0.0/12"), try Subnet(parsing: "172.16.0.0/12")]
    for seed in 0..<200 as Range<UInt64> {
      let subnet = try AddressPool.free(.v4, besides: taken, seed: seed)
      #expect(!taken.contains { $0.overlaps(subnet) })
      taken.append(subnet)
    }
  }

  @Test(arguments: [0, 0x00ff_ffff_ffff_ffff, 0x7f12_3456_789a_bcde] as [UInt64])
  func rangesBehindALargeOneAreFound(seed: UInt64) throws {
    let taken = try ["fd00::/9", "fd80::/10", "fdc0::/16"].map { try Subnet(parsing: $0) }
    let subnet = try AddressPool.free(.v6, besides: taken, seed: seed)
    #expect(!taken.contains { $0.overlaps(subnet) })
    #expect(subnet.description.hasPrefix("fd") && subnet.prefix == 64)
  }

  @Test func whenAllRangesAreTakenThatIsSaid() throws {
    var taken = try ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/11"].map {
      try Subnet(parsing: $0)
    }
    // Nearly: of 10.0.0.0/8 alone somebody may have the whole.
    let last = try AddressPool.free(.v4, besides: taken, seed: 7)
    #expect(try Subnet(parsing: "100.96.0.0/11").contains(last.base) && last.prefix == 20)
    taken.append(try Subnet(parsing: "100.64.0.0/10"))
    let error = #expect(throws: EngineError.self) { try AddressPool.free(.v4, besides: taken, seed: 7) }
    #expect(error?.kind == .noSpace)
  }

  @Test func aRangeOfIPv6IsLocalAndOfSixtyFourBits() throws {
    let subnet = try AddressPool.free(.v6, besides: [], seed: 0x1234_5678_9abc_def0)
    #expect(subnet.description == "fd34:5678:9abc:def0::/64")
  }

  @Test func leasesComeInTurnAndBothFamiliesHaveOneNumber() throws {
    let ranges = [try range("10.89.0.0/29"), try range("fd00:1::/64")]
    var taken: Set<IPAddress> = []
    var last: UInt64 = 0
    var given: [[String]] = []
    for _ in 0..<5 {
      let lease = try AddressPool.lease(ranges, fixed: [], after: last) { taken.contains($0) }
      taken.formUnion(lease.addresses)
      last = lease.last
      given.append(lease.addresses.map(\.description))
    }
    #expect(given.map(\.first) == ["10.89.0.2", "10.89.0.3", "10.89.0.4", "10.89.0.5", "10.89.0.6"])
    #expect(given.map(\.last) == ["fd00:1::2", "fd00:1::3", "fd00:1::4", "fd00:1::5", "fd00:1::6"])
    let full = #expect(throws: EngineError.self) {
      _ = try AddressPool.lease(ranges, fixed: [], after: last) { taken.contains($0) }
    }
    #expect(full?.kind == .noSpace)
    taken.remove(try IPAddress(parsing: "10.89.0.4"))
    taken.remove(try IPAddress(parsing: "fd00:1::4"))
    let again = try AddressPool.lease(ranges, fixed: [], after: last) { taken.contains($0) }
    #expect(again.addresses.map(\.description) == ["10.89.0.4", "fd00:1::4"])
  }

  @Test(arguments: [
    ("10.89.0.1", ErrorKind.invalidArgument), ("10.89.0.0", .invalidArgument),
    ("10.89.0.7", .invalidArgument),
    ("10.89.0.8", .invalidArgument), ("fd00:1::5", .invalidArgument), ("10.89.0.3", .inUse),
  ])
  func anAddressThatCannotBeGivenIsRefused(_ text: String, _ kind: ErrorKind) throws {
    let ranges = [try range("10.89.0.0/29")]
    let address = try IPAddress(parsing: text)
    let error = #expect(throws: EngineError.self) {
      _ = try AddressPool.lease(ranges, fixed: [address], after: 0) { $0.description == "10.89.0.3" }
    }
    #expect(error?.kind == kind)
  }

  @Test func aFixedAddressLeavesTheOtherFamilyToChance() throws {
    let ranges = [try range("10.89.0.0/24"), try range("fd00:1::/64")]
    let fixed = try IPAddress(parsing: "10.89.0.77")
    let lease = try AddressPool.lease(ranges, fixed: [fixed], after: 8) { _ in false }
    #expect(lease.addresses.map(\.description) == ["10.89.0.77", "fd00:1::9"])
  }
}
