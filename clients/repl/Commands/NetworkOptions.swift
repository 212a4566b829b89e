import ArgumentParser
import RPCModel

/// What `run` and `create` say of networks and names.
struct NetworkOptions: ParsableArguments, Sendable {
  @Option(
    help:
      "A network it is connected to, NAME[,alias=…,ip=…,ip6=…], or none, host or container:NAME; none when absent."
  ) var network: [String] = []
  @Option(help: "A name by which it is found in its first network.") var networkAlias: [String] = []
  @Option(help: "Its address of IPv4 in its first network.") var ip: String?
  @Option(help: "Its address of IPv6 in its first network.") var ip6: String?
  @Option(help: "A name that it knows, NAME:ADDRESS, or NAME:host-gateway for the host.") var addHost:
    [String] =
      []
  @Option(help: "A name server's address, instead of the host's.") var dns: [String] = []
  @Option(help: "A domain in which short names are looked for.") var dnsSearch: [String] = []
  @Option(help: "An option of resolv.conf, as ndots:2.") var dnsOption: [String] = []

  func apply(to creation: inout ContainerCreation) throws {
    try applyNetworks(to: &creation)
    if !addHost.isEmpty { creation.extraHosts = try addHost.map(HostAddress.init(words:)) }
    if !dns.isEmpty || !dnsSearch.isEmpty || !dnsOption.isEmpty {
      creation.dns = NameServers(
        servers: dns.isEmpty ? nil : dns, searches: dnsSearch.isEmpty ? nil : dnsSearch,
        options: dnsOption.isEmpty ? nil : dnsOption)
    }
  }

  private func applyNetworks(to creation: inout ContainerCreation) throws {
    let special = network.filter { ["none", "host"].contains($0) || containerName($0) != nil }
    guard special.isEmpty else {
      guard network.count == 1, networkAlias.isEmpty, ip == nil, ip6 == nil else {
        throw invalidOption("--network \(special[0]) goes with no other network, alias or address")
      }
      creation.networkContainer = containerName(special[0])
      creation.network = containerName(special[0]) == nil ? NetworkMode(rawValue: special[0]) : .container
      return
    }
    var networks = try network.map(NetworkAttachment.init(words:))
    if !networkAlias.isEmpty || ip != nil || ip6 != nil {
      if networks.isEmpty { networks = [NetworkAttachment(network: "bridge")] }
      if !networkAlias.isEmpty { networks[0].aliases = (networks[0].aliases ?? []) + networkAlias }
      networks[0].ipv4 = ip ?? networks[0].ipv4
      networks[0].ipv6 = ip6 ?? networks[0].ipv6
    }
    if !networks.isEmpty { creation.networks = networks }
  }
}

extension NetworkAttachment {
  init(words text: String) throws {
    let parts = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    var name = parts[0]
    var rest = parts.dropFirst()
    // As docker has it, name=NAME,alias=…
    if name.contains("=") {
      guard let word = parts.first(where: { $0.hasPrefix("name=") }) else {
        throw invalidOption("--network is NAME[,alias=…,ip=…,ip6=…], not \(text)")
      }
      name = String(word.dropFirst("name=".count))
      rest = parts.filter { $0 != word }[...]
    }
    self.init(network: name == "default" ? "bridge" : name)
    for part in rest {
      let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      switch (pair[0], pair.count > 1 ? pair[1] : nil) {
      case ("alias", let value?): aliases = (aliases ?? []) + [value]
      case ("ip", let value?): ipv4 = value
      case ("ip6", let value?): ipv6 = value
      default: throw invalidOption("--network is NAME[,alias=…,ip=…,ip6=…], not \(text)")
      }
    }
  }
}

extension HostAddress {
  init(words text: String) throws {
    // The address may have colons of its own.
    guard let split = text.firstIndex(where: { $0 == ":" || $0 == "=" }), split != text.startIndex else {
      throw invalidOption("--add-host is NAME:ADDRESS, not \(text)")
    }
    var address = String(text[text.index(after: split)...])
    if address.hasPrefix("["), address.hasSuffix("]") { address = String(address.dropFirst().dropLast()) }
    self.init(name: String(text[..<split]), address: address)
  }
}
