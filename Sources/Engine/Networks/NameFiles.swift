import EngineErrors
import Metadata
import Networking

/// What containers know of names: /etc/hosts and /etc/resolv.conf, which the engine writes.
enum NameFiles {
  /// - Throws: `invalidArgument` for what cannot stand in these files.
  static func validate(_ options: ContainerOptions) throws {
    for host in options.extraHosts ?? [] {
      try NetworkNames.validate(alias: host.name)
      if host.address != HostAddress.hostGateway { _ = try IPAddress(parsing: host.address) }
    }
    if options.wantsHostAddress, [.none, .container].contains(options.network) {
      throw EngineError(
        .invalidArgument,
        "a container with the network \(options.network.rawValue) has no \(HostAddress.hostGateway)",
        subject: "extraHosts",
        hint: options.network == .none
          ? "give it the network bridge, or another one"
          : "the other container's names are its own: give them there")
    }
    for server in options.nameServers?.servers ?? [] { _ = try IPAddress(parsing: server) }
    for word in (options.nameServers?.searches ?? []) + (options.nameServers?.options ?? []) {
      guard !word.isEmpty, word.utf8.count <= 253, word.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
        throw EngineError(
          .invalidArgument, "not a word for resolv.conf: '\(word.prefix(200))'", subject: "dns",
          hint: "give one word without blanks, of at most 253 characters")
      }
    }
  }

  /// The part of a hosts file that is the container's alone.
  ///
  /// - Parameter gateways: the host's addresses, for `HostAddress.hostGateway`.
  static func ownHosts(hostname: String?, _ options: ContainerOptions, gateways: [String]) -> String {
    let names = (["localhost"] + [hostname].compactMap(\.self)).joined(separator: " ")
    return "127.0.0.1\t\(names)\n::1\tlocalhost ip6-localhost ip6-loopback\n"
      + extraHosts(options, gateways: gateways)
  }

  static func extraHosts(_ options: ContainerOptions, gateways: [String]) -> String {
    var text = ""
    for host in options.extraHosts ?? [] {
      let addresses = host.address == HostAddress.hostGateway ? gateways : [host.address]
      for address in addresses { text += "\(address)\t\(host.name)\n" }
    }
    return text
  }

  /// A network's part: the same for all who are connected.
  static func hosts(_ members: [NetworkMember]) -> String {
    var text = ""
    for member in members {
      let names = ([member.name, String(member.endpoint.container.prefix(12))] + member.endpoint.aliases)
        .joined(separator: " ")
      for address in [member.endpoint.address4, member.endpoint.address6] {
        if let address { text += "\(address)\t\(names)\n" }
      }
    }
    return text
  }

  /// - Parameters:
  ///   - fallback: whom to ask where the host has nobody whom others can ask.
  ///   - host: the text of a file of the host's.
  static func nameServers(
    _ asked: NameServers?, otherwise fallback: String? = nil, host: (String) -> String?
  ) -> String {
    let asked = asked ?? NameServers()
    var found = Self.usable(host("/etc/resolv.conf") ?? "")
    // systemd-resolved's own address is of use to the host alone; this is whom it asks.
    if found.servers.isEmpty {
      found.servers = Self.usable(host("/run/systemd/resolve/resolv.conf") ?? "").servers
    }
    if let fallback, found.servers.isEmpty { found.servers = [fallback] }
    let servers = asked.servers.isEmpty ? found.servers : asked.servers
    let searches = asked.searches ?? found.searches
    let options = asked.options ?? found.options
    var text = servers.map { "nameserver \($0)\n" }.joined()
    if !searches.isEmpty { text += "search \(searches.joined(separator: " "))\n" }
    if !options.isEmpty { text += "options \(options.joined(separator: " "))\n" }
    return text
  }

  /// Whether the host has nobody whom containers could ask.
  static func lacksServers(host: (String) -> String?) -> Bool {
    usable(host("/etc/resolv.conf") ?? "").servers.isEmpty
      && usable(host("/run/systemd/resolve/resolv.conf") ?? "").servers.isEmpty
  }

  /// What of a host's resolv.conf is of use in another network.
  private static func usable(_ text: String) -> (servers: [String], searches: [String], options: [String]) {
    var found: (servers: [String], searches: [String], options: [String]) = ([], [], [])
    for line in text.split(whereSeparator: \.isNewline) {
      let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" }).map(String.init)
      guard let keyword = words.first else { continue }
      switch keyword {
      case "nameserver":
        // One with a scope, as fe80::1%eth0, is no address of another network either.
        if words.count > 1, let address = try? IPAddress(parsing: words[1]), !address.isLoopback {
          found.servers.append(address.description)
        }
      case "search", "domain": found.searches = Array(words.dropFirst())
      case "options": found.options += words.dropFirst()
      default: break
      }
    }
    return found
  }
}
