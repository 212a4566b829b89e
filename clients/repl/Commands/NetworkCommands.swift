import ArgumentParser
import RPCModel

struct Network: REPLCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make, list, show and remove networks, and connect containers to them.",
    discussion: """
      Containers of one network reach each other by name, and the outside; networks do not reach each other. The network \
      `bridge` is made when it is first used, by `run --network bridge`.
      """,
    subcommands: [Create.self, List.self, Inspect.self, Remove.self, Connect.self, Disconnect.self],
    defaultSubcommand: List.self)

  func run(_ session: REPLSession) async throws -> Int32 { try await List.parse([]).run(session) }

  struct Create: REPLCommand {
    static let configuration = CommandConfiguration(abstract: "Make a network.")
    @Argument(help: "Its name.") var name: String
    @Option(help: "An address range, as 10.89.0.0/24; one of IPv4 and one of IPv6 at most.") var subnet:
      [String] =
        []
    @Option(help: "The host's address in a range.") var gateway: [String] = []
    @Flag(help: "Without a range of IPv6.") var ipv4Only = false
    @Flag(help: "Without a way to the outside.") var `internal` = false
    @Option(help: "The largest packet, in bytes.") var mtu: Int?
    @Option(help: "A label, name=value.") var label: [String] = []
    @Flag(help: "Remove it when this session has ended and nobody is connected any more.") var session = false

    func run(_ session: REPLSession) async throws -> Int32 {
      guard gateway.count <= subnet.count else {
        throw invalidOption(
          "each --gateway belongs to a --subnet", hint: "give the ranges as well, in the same order")
      }
      let subnets = subnet.enumerated().map { index, subnet in
        Subnet(subnet: subnet, gateway: gateway.indices.contains(index) ? gateway[index] : nil)
      }
      let answer = try await session.request(
        NetworkCreate.self,
        .init(
          name: name, subnets: subnets.isEmpty ? nil : subnets, ipv6: ipv4Only ? false : nil,
          internalOnly: self.internal ? true : nil, mtu: mtu,
          labels: label.isEmpty ? nil : try assignments(label), lifetime: self.session ? .session : nil))
      if session.terminal.isJSON {
        session.terminal.printJSON(answer)
      } else {
        session.terminal.print(answer.network.name)
      }
      return 0
    }
  }

  struct List: REPLCommand {
    static let configuration = CommandConfiguration(
      commandName: "ls", abstract: "List the networks.", aliases: ["list"])
    @Flag(name: .shortAndLong, help: "Their names alone, one a line.") var quiet = false

    func run(_ session: REPLSession) async throws -> Int32 {
      let answer = try await session.request(NetworkList.self, .init())
      if session.terminal.isJSON {
        session.terminal.printJSON(answer)
        return 0
      }
      if quiet {
        answer.networks.map(\.name).forEach(session.terminal.print)
        return 0
      }
      var table = Table("NAME", "ID", "RANGES", "CONTAINERS", "CREATED")
      for network in answer.networks {
        table.rows.append([
          network.name, ShortID(network.id).text,
          network.subnets.map(\.subnet).joined(separator: " ") + (network.internalOnly ? " (internal)" : ""),
          "\(network.containers)", Age(network.createdAt).text,
        ])
      }
      table.lines(session.terminal).forEach(session.terminal.print)
      return 0
    }
  }

  struct Inspect: REPLCommand {
    static let configuration = CommandConfiguration(abstract: "Show all there is to know of a network.")
    static var completes: [NameKind] { [.networks] }
    @Argument(help: "The network.") var network: String

    func run(_ session: REPLSession) async throws -> Int32 {
      let answer = try await session.request(NetworkInspect.self, .init(network: network))
      if session.terminal.isJSON {
        session.terminal.printJSON(answer)
        return 0
      }
      let network = answer.network
      var fields = FieldList()
      fields.add("name", network.name)
      fields.add("id", network.id)
      for subnet in network.subnets {
        fields.add("range", subnet.subnet + (subnet.gateway.map { ", the host is \($0)" } ?? ""))
      }
      fields.add("outside", network.internalOnly ? "none" : nil)
      fields.add("largest packet", "\(network.mtu)")
      fields.add("bridge", network.interface)
      for (name, value) in network.labels.sorted(by: { $0.key < $1.key }) {
        fields.add("label", "\(name)=\(value)")
      }
      fields.add("goes with", network.lifetime == .session ? "its session" : nil)
      fields.add("created", network.createdAt)
      fields.lines(session.terminal).forEach(session.terminal.print)
      guard !answer.endpoints.isEmpty else { return 0 }
      var table = Table("CONTAINER", "INTERFACE", "ADDRESSES", "ALIASES")
      for endpoint in answer.endpoints {
        table.rows.append([
          endpoint.containerName, endpoint.interface, endpoint.addresses,
          endpoint.aliases.joined(separator: " "),
        ])
      }
      session.terminal.print("")
      table.lines(session.terminal).forEach(session.terminal.print)
      return 0
    }
  }

  struct Remove: REPLCommand {
    static let configuration = CommandConfiguration(
      commandName: "rm", abstract: "Remove networks that no container is connected to.")
    static var completes: [NameKind] { [.networks] }
    @Argument(help: "The networks.") var networks: [String]

    func run(_ session: REPLSession) async throws -> Int32 {
      await session.each(networks) { network in
        _ = try await session.request(NetworkRemove.self, .init(network: network))
      }
    }
  }

  struct Connect: REPLCommand {
    static let configuration = CommandConfiguration(abstract: "Connect a container to a network.")
    static var completesInOrder: [[NameKind]]? { [[.networks], [.containers]] }
    @Option(help: "A name by which it is found there.") var alias: [String] = []
    @Option(help: "Its address of IPv4 there.") var ip: String?
    @Option(help: "Its address of IPv6 there.") var ip6: String?
    @Argument(help: "The network.") var network: String
    @Argument(help: "The container.") var container: String

    func run(_ session: REPLSession) async throws -> Int32 {
      let answer = try await session.request(
        NetworkConnect.self,
        .init(
          network: network, container: container, aliases: alias.isEmpty ? nil : alias, ipv4: ip, ipv6: ip6))
      if session.terminal.isJSON { session.terminal.printJSON(answer) }
      return 0
    }
  }

  struct Disconnect: REPLCommand {
    static let configuration = CommandConfiguration(abstract: "Take a container off a network.")
    static var completesInOrder: [[NameKind]]? { [[.networks], [.containers]] }
    @Argument(help: "The network.") var network: String
    @Argument(help: "The container.") var container: String

    func run(_ session: REPLSession) async throws -> Int32 {
      _ = try await session.request(NetworkDisconnect.self, .init(network: network, container: container))
      return 0
    }
  }
}

extension NetworkEndpoint {
  var addresses: String { [ipv4, ipv6].compactMap(\.self).joined(separator: " ") }
}
