package import EngineErrors
import Glibc

/// An address of IPv4 or IPv6.
package struct IPAddress: Hashable, Sendable {
  package enum Family: Hashable, Sendable {
    case v4, v6

    /// In bits.
    package var length: Int { self == .v4 ? 32 : 128 }
    /// AF_INET or AF_INET6.
    package var number: CInt { self == .v4 ? AF_INET : AF_INET6 }
  }

  package let family: Family
  /// In the machine's order; of IPv4 the lower 32.
  package let bits: UInt128

  package init(_ family: Family, _ bits: UInt128) {
    self.family = family
    self.bits = family == .v4 ? bits & 0xffff_ffff : bits
  }

  /// - Throws: `invalidArgument` for what is no address (inet_pton(3)).
  package init(parsing text: String) throws(EngineError) {
    // To inet_pton a text ends with a NUL.
    for family in [Family.v4, .v6] where !text.utf8.contains(0) {
      var bytes = [UInt8](repeating: 0, count: family.length / 8)
      if inet_pton(family.number, text, &bytes) == 1 {
        self.init(family, bytes.reduce(0) { $0 << 8 | UInt128($1) })
        return
      }
    }
    throw EngineError(
      .invalidArgument, "not an IP address: \(text.prefix(100))", subject: String(text.prefix(100)),
      hint: "give one such as 192.0.2.7 or 2001:db8::7")
  }

  /// In the network's order.
  package var bytes: [UInt8] {
    stride(from: family.length - 8, through: 0, by: -8).map { UInt8(truncatingIfNeeded: bits >> UInt128($0)) }
  }

  package var isLoopback: Bool { family == .v4 ? bits >> 24 == 127 : bits == 1 }
}

extension IPAddress: CustomStringConvertible {
  package var description: String {
    var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    guard inet_ntop(family.number, bytes, &text, socklen_t(text.count)) != nil else { return "" }
    return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }
}
