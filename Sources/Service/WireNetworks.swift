import Engine
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
