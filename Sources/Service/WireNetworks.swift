import Engine
import EngineErrors
import Metadata
import RPCModel

/// Networks as the wire has them, and back.
extension Engine.NetworkAttachment {
  init(_ attachment: RPCModel.NetworkAttachment) {
    self.init(network: attachment.network)
    aliases = attachment.aliases ?? []
    ipv4 = attachment.ipv4
    ipv6 = attachment.ipv6
  }
}

extension RPCModel.NetworkAttachment {
  init(_ attachment: Engine.NetworkAttachment) {
    self.init(
      network: attachment.network, aliases: attachment.aliases.isEmpty ? nil : attachment.aliases,
      ipv4: attachment.ipv4, ipv6: attachment.ipv6)
  }
}

extension Engine.NameServers {
  init(_ dns: RPCModel.NameServers) {
    self.init()
    servers = dns.servers ?? []
    searches = dns.searches
    options = dns.options
  }
}

extension RPCModel.NameServers {
  init(_ dns: Engine.NameServers) {
    self.init(
      servers: dns.servers.isEmpty ? nil : dns.servers, searches: dns.searches, options: dns.options)
  }
}

extension NetworkOptions {
  init(_ params: NetworkCreate.Params) throws {
    self.init(name: params.name)
    if let driver = params.driver, driver != .bridge {
      throw EngineError(
        .invalidArgument, "no network is made of \(driver.rawValue)", subject: driver.rawValue,
        hint: "there are bridges")
    }
    ranges = (params.subnets ?? []).map { ($0.subnet, $0.gateway) }
    hasIPv6 = params.ipv6 ?? true
    isInternal = params.internalOnly ?? false
    mtu = params.mtu
    labels = params.labels ?? [:]
    if params.lifetime == .session { lifetime = .session }
  }
}

extension RPCModel.NetworkSummary {
  init(_ network: Engine.NetworkSummary) {
    let record = network.record
    self.init(
      id: record.id, name: record.name, driver: .bridge,
      subnets: network.ranges.map { .init(subnet: $0.subnet, gateway: $0.gateway) },
      internalOnly: record.isInternal, mtu: Int(clamping: record.mtu), interface: record.bridge,
      labels: network.labels, createdAt: WireTime.text(record.createdAt),
      lifetime: record.session.map { _ in .session }, containers: network.containers)
  }
}

extension NetworkEndpoint {
  init(_ endpoint: EndpointSummary) {
    self.init(
      network: endpoint.network, networkName: endpoint.networkName, container: endpoint.container,
      containerName: endpoint.containerName, interface: endpoint.interface, ipv4: endpoint.ipv4,
      ipv6: endpoint.ipv6, macAddress: endpoint.macAddress, aliases: endpoint.aliases)
  }
}
