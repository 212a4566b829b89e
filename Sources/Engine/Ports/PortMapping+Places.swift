import EngineErrors
import Runner

/// Whether the host has a port for each of several mappings, as far as these alone decide.
extension PortMapping {
  /// Looks that each can have a port of its own: a container for which they do not suffice could not start.
  ///
  /// - Throws: `invalidArgument` where one is there twice, or a range has fewer than are to be taken of it.
  static func requireDistinct(_ ports: [PortMapping]) throws(EngineError) {
    var placed: [UInt16: [PortMapping]] = [:]
    for index in order(ports) {
      let port = ports[index]
      guard let range = port.namedPorts else { continue }
      if let number = range.first(where: { !(placed[$0] ?? []).contains(where: port.hasPlace(of:)) }) {
        placed[number, default: []].append(port)
      } else if range.count > 1 {
        throw EngineError(
          .invalidArgument,
          "the machine's ports from \(range.lowerBound) to \(range.upperBound) are fewer than are to be published of them",
          subject: "ports", hint: "name others, or 0 for free ones")
      } else {
        let other = placed[range.lowerBound]?.first { port.hasPlace(of: $0) }
        throw EngineError(
          .invalidArgument,
          "port \(range.lowerBound)/\(port.transport.rawValue) of the machine's is published twice",
          subject: "ports",
          hint: "\(other ?? port) has it already: name another one, or 0 for a free one")
      }
    }
  }

  /// In which order they take the first that is free, so that no range takes what another has no other for: the earlier a range
  /// ends, the earlier it does. Any free ones come last.
  ///
  /// - Returns: indices.
  static func order(_ ports: [PortMapping]) -> [Int] {
    func place(_ index: Int) -> (Int, Int, Int) {
      let range = ports[index].namedPorts
      return (range.map { Int($0.upperBound) } ?? .max, range.map { Int($0.lowerBound) } ?? .max, index)
    }
    return ports.indices.sorted { place($0) < place($1) }
  }

  /// The host's, where not any free one is meant.
  private var namedPorts: ClosedRange<UInt16>? { hostPorts.flatMap { $0.lowerBound > 0 ? $0 : nil } }

  /// Whether the kernel gives only one of the two a port that both name (bind(2)): all addresses are those of each.
  private func hasPlace(of other: PortMapping) -> Bool {
    guard transport == other.transport else { return false }
    guard let address, let there = other.address, address != there else { return true }
    return [address, there].contains("0.0.0.0") && !address.contains(":") && !there.contains(":")
  }
}
