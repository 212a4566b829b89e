import ArgumentParser
import RPCModel

struct List: REPLCommand {
  static let configuration = CommandConfiguration(
    commandName: "ps", abstract: "List the containers that run.")
  @Flag(name: .shortAndLong, help: "Also those that do not run.") var all = false
  @Flag(name: .shortAndLong, help: "Their names alone, one a line.") var quiet = false

  func run(_ session: REPLSession) async throws -> Int32 {
    let answer = try await session.request(ContainerList.self, .init(all: all))
    if session.terminal.isJSON {
      session.terminal.printJSON(answer)
      return 0
    }
    if quiet {
      answer.containers.map(\.name).forEach(session.terminal.print)
      return 0
    }
    var table = Table("NAME", "ID", "IMAGE", "COMMAND", "STATE", "PORTS", "CREATED")
    for container in answer.containers {
      table.rows.append([
        container.name, ShortID(container.id).text, FamiliarName(container.image).text,
        container.command.joined(separator: " ").shortened(to: 32), container.stateText,
        (container.ports ?? []).map(\.text).joined(separator: ", "), Age(container.createdAt).text,
      ])
    }
    table.lines(session.terminal).forEach(session.terminal.print)
    return 0
  }
}

extension ContainerSummary {
  var stateText: String {
    guard let exit else { return state.rawValue + (health.map { " (\($0.rawValue))" } ?? "") }
    return "\(state.rawValue) \(exit.code)" + (exit.signal.map { " (\($0))" } ?? "")
      + (exit.lost ? ", lost" : "")
  }
}

struct Inspect: REPLCommand {
  static let configuration = CommandConfiguration(abstract: "Show all there is to know of a container.")
  static var completesInOrder: [[NameKind]]? { [[.containers]] }
  @Argument(help: "The container.") var container: String

  func run(_ session: REPLSession) async throws -> Int32 {
    let answer = try await session.request(ContainerInspect.self, .init(container: container))
    if session.terminal.isJSON {
      session.terminal.printJSON(answer)
      return 0
    }
    let summary = answer.container
    var fields = FieldList()
    fields.add("name", summary.name)
    fields.add("id", summary.id)
    fields.add("state", summary.stateText)
    fields.add("pid", summary.pid.map(String.init))
    fields.add("image", "\(summary.image)  \(ShortID(summary.imageDigest).text)")
    fields.add("command", summary.command.joined(separator: " "))
    for variable in answer.environment { fields.add("environment", variable) }
    fields.add("directory", answer.workingDirectory)
    fields.add("host name", answer.hostname)
    fields.add("network", answer.network.rawValue)
    for port in summary.ports ?? [] { fields.add("port", port.text) }
    for endpoint in answer.networks ?? [] {
      fields.add("connected to", "\(endpoint.networkName): \(endpoint.interface), \(endpoint.addresses)")
    }
    fields.add("standard input", answer.opensStdin ? "open" : "empty")
    fields.add("goes on exit", answer.autoRemove ? "yes" : nil)
    fields.add("stop", "\(answer.stopSignal), SIGKILL after \(Double(answer.stopTimeoutMs) / 1000) s")
    fields.add(settingsOf: answer)
    for (name, value) in summary.labels.sorted(by: { $0.key < $1.key }) {
      fields.add("label", "\(name)=\(value)")
    }
    fields.add("created", summary.createdAt)
    fields.add("started", summary.startedAt)
    fields.add("ended", summary.exit?.at)
    fields.add("files", answer.upperDirectory)
    fields.add("log", answer.logPath)
    fields.add("configuration", answer.runtimeConfigPath)
    fields.lines(session.terminal).forEach(session.terminal.print)
    return 0
  }
}

struct Diff: REPLCommand {
  static let configuration = CommandConfiguration(
    abstract: "List what a container changed in its image's files: A added, C changed, D deleted.")
  static var completesInOrder: [[NameKind]]? { [[.containers]] }
  @Argument(help: "The container.") var container: String

  func run(_ session: REPLSession) async throws -> Int32 {
    let answer = try await session.request(ContainerDiff.self, .init(container: container))
    if session.terminal.isJSON {
      session.terminal.printJSON(answer)
      return 0
    }
    for change in answer.changes {
      let letter =
        switch change.kind {
        case .added: "A"
        case .deleted: "D"
        default: "C"
        }
      session.terminal.print("\(letter) \(change.path)")
    }
    return 0
  }
}

struct Commit: REPLCommand {
  static let configuration = CommandConfiguration(abstract: "Make an image from a container's files.")
  static var completesInOrder: [[NameKind]]? { [[.containers], [.images]] }
  @Option(name: .shortAndLong, help: "A comment for its history.") var message: String?
  @Option(name: .shortAndLong, help: "Who made it.") var author: String?
  @Argument(help: "The container.") var container: String
  @Argument(help: "The new image's name.") var reference: String
  @OptionGroup var changes: ChangeOptions

  func run(_ session: REPLSession) async throws -> Int32 {
    let answer = try await session.request(
      ContainerCommit.self,
      .init(
        container: container, reference: reference, message: message, author: author,
        changes: try changes.wire))
    show(answer.image, named: reference, answer.layerWarnings, session.terminal)
    return 0
  }
}

struct Remove: REPLCommand {
  static let configuration = CommandConfiguration(
    commandName: "rm", abstract: "Remove containers and their files.",
    discussion: "Volumes that have a name stay in any case.")
  static var completes: [NameKind] { [.containers] }
  @Argument(help: "The containers.") var containers: [String]
  @Flag(name: .shortAndLong, help: "Kill those that run.") var force = false
  @Flag(name: .shortAndLong, help: "Remove their volumes without names, too.") var volumes = false

  func run(_ session: REPLSession) async throws -> Int32 {
    await session.each(containers) { container in
      _ = try await session.request(
        ContainerRemove.self, .init(container: container, force: force, volumes: volumes))
    }
  }
}
