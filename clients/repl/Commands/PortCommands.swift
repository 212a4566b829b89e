import ArgumentParser
import RPCModel

/// What `run` and `create` say of ports.
struct PortOptions: ParsableArguments, Sendable {
  @Option(
    name: .shortAndLong,
    help: "A port of this machine's that leads to one of its: [ADDRESS:][PORT:]PORT[/udp], also ranges.")
  var publish: [String] = []
  @Flag(name: [.customShort("P"), .long], help: "Publish all ports that the image exposes at free ones.")
  var publishAll = false

  func apply(to creation: inout ContainerCreation) throws {
    if !publish.isEmpty { creation.ports = try publish.map { try PortMapping(words: $0) } }
    if publishAll { creation.publishExposed = true }
  }
}

struct Ports: REPLCommand {
  static let configuration = CommandConfiguration(
    commandName: "port", abstract: "List the published ports of a container.",
    discussion: "With a port of the container's, only where that one is reached.")
  static var completes: [NameKind] { [.runningContainers] }
  @Argument(help: "The container.") var container: String
  @Argument(help: "A port of its, as 80 or 53/udp.") var port: String?

  func run(_ session: REPLSession) async throws -> Int32 {
    let wanted = try port.map { try PortMapping(words: $0) }
    let summary = try await session.request(ContainerInspect.self, .init(container: container)).container
    let ports = (summary.ports ?? []).filter { port in
      wanted.map { $0.containerPort == port.containerPort && $0.transport ?? .tcp == port.transport } ?? true
    }
    if let port, ports.isEmpty {
      let known = (summary.ports ?? []).map { "\($0.containerPort)/\($0.transport.rawValue)" }
      let hint =
        known.isEmpty
        ? "it has none: publish adds one, and those of a container that does not run are not there"
        : "it has \(known.joined(separator: ", "))"
      throw RPCError(.notFound, "container \(summary.name) has no published port \(port)", hint: hint)
    }
    if session.terminal.isJSON {
      session.terminal.printJSON(ContainerPublish.Result(ports: ports))
      return 0
    }
    for port in ports {
      if wanted == nil {
        session.terminal.print("\(port.containerPort)/\(port.transport.rawValue) -> \(port.hostText)")
      } else {
        session.terminal.print(port.hostText)
      }
    }
    return 0
  }
}

struct Publish: REPLCommand {
  static let configuration = CommandConfiguration(
    abstract: "Publish ports of a container, of a running one at once.",
    discussion:
      "Each is [ADDRESS:][PORT:]PORT[/udp], the container's last; without one of this machine's, a free one is taken."
  )
  static var completes: [NameKind] { [.containers] }
  @Argument(help: "The container.") var container: String
  @Argument(help: "The ports.") var ports: [String]

  func run(_ session: REPLSession) async throws -> Int32 {
    let answer = try await session.request(
      ContainerPublish.self,
      .init(container: container, ports: try ports.map { try PortMapping(words: $0) }))
    if session.terminal.isJSON {
      session.terminal.printJSON(answer)
    } else {
      for port in answer.ports { session.terminal.print(port.text) }
    }
    return 0
  }
}

struct Unpublish: REPLCommand {
  static let configuration = CommandConfiguration(
    abstract: "Take published ports of a container back.",
    discussion: "80 means all that lead to the container's port 80; 8080:80 means that one.")
  static var completes: [NameKind] { [.containers] }
  @Argument(help: "The container.") var container: String
  @Argument(help: "The ports.") var ports: [String]

  func run(_ session: REPLSession) async throws -> Int32 {
    _ = try await session.request(
      ContainerUnpublish.self,
      .init(container: container, ports: try ports.map { try PortMapping(words: $0) }))
    return 0
  }
}
