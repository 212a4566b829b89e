/// A port as EXPOSE and images have it.
package struct ExposedPort: Hashable, Sendable {
  /// What images call it: `PORT/PROTOCOL`.
  package var name: String

  /// What is odd about a port as it is written.
  package enum Oddity: Hashable, Sendable {
    /// Its protocol is not in lower case.
    case casing
    /// It names an address, or a port of the host.
    case mapping
  }

  /// Reads `[[ADDRESS:]HOST-PORT:]PORT[-PORT][/PROTOCOL]`; nil for what is none.
  package static func parse(_ text: String) -> (ports: [ExposedPort], oddities: Set<Oddity>)? {
    var oddities: Set<Oddity> = []
    let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    let scheme = parts.count > 1 && !parts[1].isEmpty ? parts[1] : "tcp"
    guard ["tcp", "udp", "sctp"].contains(scheme.lowercased()) else { return nil }
    if scheme != scheme.lowercased() { oddities.insert(.casing) }
    var range = parts[0]
    if let colon = range.lastIndex(of: ":") {
      let rest = range[..<colon]
      range = String(range[range.index(after: colon)...])
      guard rest.isEmpty || rest.contains(":") || bounds(String(rest)) != nil else { return nil }
      if !rest.isEmpty { oddities.insert(.mapping) }
    }
    guard let bounds = bounds(range) else { return nil }
    return (bounds.map { ExposedPort(name: "\($0)/\(scheme.lowercased())") }, oddities)
  }

  private static func bounds(_ text: String) -> ClosedRange<UInt16>? {
    let ends = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false).map { UInt16($0) }
    guard let low = ends[0], let high = ends.count > 1 ? ends[1] : low, low <= high else { return nil }
    return low...high
  }
}
