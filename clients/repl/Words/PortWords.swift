import RPCModel

/// Ports as people write them: `[ADDRESS:][PORT[-PORT]:]PORT[-PORT][/tcp|udp]`, the container's last, an address of IPv6 in
/// brackets.
extension PortMapping {
  init(words text: String) throws {
    var rest = Substring(text)
    var transport: PortTransport?
    if let slash = rest.lastIndex(of: "/") {
      transport = PortTransport(rawValue: String(rest[rest.index(after: slash)...]))
      guard transport != nil else { throw Self.refusal(text) }
      rest = rest[..<slash]
    }
    let inside = Self.takeLast(&rest)
    guard let containerPorts = try Self.range(inside, text), containerPorts.first > 0 else {
      throw Self.refusal(text)
    }
    let hostPorts = try Self.range(Self.takeLast(&rest), text)
    var address: String? = rest.isEmpty ? nil : String(rest)
    if rest.hasPrefix("["), rest.hasSuffix("]") { address = String(rest.dropFirst().dropLast()) }
    self.init(
      address: address, hostPort: hostPorts?.first, hostPortEnd: hostPorts?.last,
      containerPort: containerPorts.first, containerPortEnd: containerPorts.last, transport: transport)
  }

  /// What follows the last colon, which is taken away with it.
  private static func takeLast(_ rest: inout Substring) -> Substring {
    guard let colon = rest.lastIndex(of: ":") else {
      defer { rest = "" }
      return rest
    }
    defer { rest = rest[..<colon] }
    return rest[rest.index(after: colon)...]
  }

  /// Nil for nothing.
  private static func range(_ text: Substring, _ whole: String) throws -> (first: Int, last: Int?)? {
    if text.isEmpty { return nil }
    let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { UInt16($0).map(Int.init) }
    guard ends.count <= 2, let first = ends[0] else { throw refusal(whole) }
    if ends.count == 1 { return (first, nil) }
    guard let last = ends[1], last > 0 else { throw refusal(whole) }
    return (first, last)
  }

  private static func refusal(_ text: String) -> RPCError {
    invalidOption(
      "not a port: \(text)",
      hint: "one is like 80, 8080:80, 127.0.0.1:8080:80, 8000-8010:8000-8010 or 53:53/udp")
  }
}

extension PublishedPort {
  /// As `127.0.0.1:8080->80/tcp`.
  var text: String { "\(hostText)->\(containerPort)/\(transport.rawValue)" }

  /// The host's side.
  var hostText: String {
    let host = address.map { $0.contains(":") ? "[\($0)]" : $0 } ?? "*"
    return "\(host):\(hostPort)"
  }
}
