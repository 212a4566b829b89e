package import EngineErrors

/// A range of addresses that have their first bits in common, as 10.89.0.0/24.
package struct Subnet: Hashable, Sendable {
  /// The first one.
  package let base: IPAddress
  /// How many bits are in common.
  package let prefix: Int

  /// The range with this length that an address is in.
  package init(_ address: IPAddress, prefix: Int) {
    let length = address.family.length
    self.prefix = min(max(prefix, 0), length)
    base = IPAddress(address.family, address.bits & ~Self.hostMask(address.family, self.prefix))
  }

  /// - Throws: `invalidArgument` for what is no range, or has bits behind its length.
  package init(parsing text: String) throws(EngineError) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, let prefix = Int(parts[1]), prefix >= 0 else { throw Self.invalid(text, nil) }
    let address = try IPAddress(parsing: String(parts[0]))
    guard prefix <= address.family.length else { throw Self.invalid(text, nil) }
    self.init(address, prefix: prefix)
    guard base == address else { throw Self.invalid(text, "the range that it is in is \(self)") }
  }

  private static func invalid(_ text: String, _ hint: String?) -> EngineError {
    EngineError(
      .invalidArgument, "not an address range: \(text.prefix(100))", subject: String(text.prefix(100)),
      hint: hint ?? "one is like 10.89.0.0/24 or fd00:1::/64")
  }

  private static func hostMask(_ family: IPAddress.Family, _ prefix: Int) -> UInt128 {
    let hostBits = family.length - prefix
    return hostBits >= 128 ? .max : (1 << UInt128(hostBits)) - 1
  }

  package var family: IPAddress.Family { base.family }

  /// The greatest number that `address(_:)` takes.
  package var lastNumber: UInt128 { Self.hostMask(family, prefix) }

  /// The address with this number, counted from the base.
  package func address(_ number: UInt128) -> IPAddress { IPAddress(family, base.bits | number & lastNumber) }

  /// The number of an address in it; nil where it is not in it.
  package func number(of address: IPAddress) -> UInt128? {
    contains(address) ? address.bits & lastNumber : nil
  }

  package func contains(_ address: IPAddress) -> Bool {
    address.family == family && address.bits & ~lastNumber == base.bits
  }

  package func overlaps(_ other: Subnet) -> Bool { contains(other.base) || other.contains(base) }
}

extension Subnet: CustomStringConvertible {
  package var description: String { "\(base)/\(prefix)" }
}
