import ArgumentParser
import RPCModel

/// Its commands are words of their own: `volume create`.
struct VolumeCommand: REPLCommand {
  static let configuration = CommandConfiguration(
    commandName: "volume", abstract: "Make, list, look at, remove, export and import volumes.",
    subcommands: [
      CreateVolume.self, ListVolumes.self, InspectVolume.self, RemoveVolume.self, PruneVolumes.self,
      ExportVolume.self, ImportVolume.self,
    ], defaultSubcommand: ListVolumes.self)

  func run(_ session: REPLSession) async throws -> Int32 { try await ListVolumes.parse([]).run(session) }
}

struct CreateVolume: REPLCommand {
  static let configuration = CommandConfiguration(commandName: "create", abstract: "Make an empty volume.")
  @Option(help: "A label, name=value.") var label: [String] = []
  @Flag(help: "Remove it when this session ends.") var session = false
  @Argument(help: "Its name; a generated one when absent.") var name: String?

  func run(_ session: REPLSession) async throws -> Int32 {
    let answer = try await session.request(
      VolumeCreate.self,
      .init(
        name: name, labels: label.isEmpty ? nil : try assignments(label),
        lifetime: self.session ? .session : nil))
    if session.terminal.isJSON {
      session.terminal.printJSON(answer)
    } else {
      session.terminal.print(answer.volume.name)
    }
    return 0
  }
}

struct ListVolumes: REPLCommand {
  static let configuration = CommandConfiguration(
    commandName: "ls", abstract: "List the volumes.", aliases: ["list"])
  @Option(help: "Only those with this label, name or name=value.") var label: [String] = []
  @Flag(name: .shortAndLong, help: "Their names alone, one a line.") var quiet = false

  func run(_ session: REPLSession) async throws -> Int32 {
    let answer = try await session.request(VolumeList.self, .init(labels: label.isEmpty ? nil : label))
    if session.terminal.isJSON {
      session.terminal.printJSON(answer)
      return 0
    }
    if quiet {
      answer.volumes.map(\.name).forEach(session.terminal.print)
      return 0
    }
    var table = Table("NAME", "USED BY", "CREATED")
    for volume in answer.volumes {
      table.rows.append([
        volume.name, volume.containers.joined(separator: ", ").shortened(to: 48), Age(volume.createdAt).text,
      ])
    }
    table.lines(session.terminal).forEach(session.terminal.print)
    return 0
  }
}

struct InspectVolume: REPLCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect", abstract: "Show all there is to know of a volume.")
  static var completesInOrder: [[NameKind]]? { [[.volumes]] }
  @Argument(help: "The volume.") var volume: String

  func run(_ session: REPLSession) async throws -> Int32 {
    let answer = try await session.request(VolumeInspect.self, .init(volume: volume))
    if session.terminal.isJSON {
      session.terminal.printJSON(answer)
      return 0
    }
    var fields = FieldList()
    fields.add("name", answer.volume.name)
    fields.add("made for", answer.volume.anonymous ? "one container, which named none" : nil)
    fields.add("goes with", answer.volume.lifetime == .session ? "its session" : nil)
    fields.add("size", ByteCount(answer.bytes).text)
    for container in answer.volume.containers { fields.add("used by", container) }
    for (name, value) in answer.volume.labels.sorted(by: { $0.key < $1.key }) {
      fields.add("label", "\(name)=\(value)")
    }
    fields.add("created", answer.volume.createdAt)
    fields.add("files", answer.volume.path)
    fields.lines(session.terminal).forEach(session.terminal.print)
    return 0
  }
}

struct RemoveVolume: REPLCommand {
  static let configuration = CommandConfiguration(
    commandName: "rm", abstract: "Remove volumes with all that is in them.")
  static var completes: [NameKind] { [.volumes] }
  @Argument(help: "The volumes.") var volumes: [String]

  func run(_ session: REPLSession) async throws -> Int32 {
    await session.each(volumes) { _ = try await session.request(VolumeRemove.self, .init(volume: $0)) }
  }
}

struct PruneVolumes: REPLCommand {
  static let configuration = CommandConfiguration(
    commandName: "prune", abstract: "Remove volumes that no container has, after showing which.",
    discussion: "Those of one container alone that is gone; with --all also those that have a name.")
  @Flag(name: .shortAndLong, help: "Those that have a name, too.") var all = false
  @Flag(name: [.customShort("y"), .customShort("f"), .long, .customLong("force")], help: "Do not ask.")
  var yes =
    false

  func run(_ session: REPLSession) async throws -> Int32 {
    try await Pruning(params: .init(kinds: [.volume], namedVolumes: all), asks: !yes).run(session)
  }
}

struct ExportVolume: REPLCommand {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Write what is in a volume to a tar archive.",
    discussion: "Without -o it goes to standard output.")
  static var completesInOrder: [[NameKind]]? { [[.volumes]] }
  @Argument(help: "The volume.") var volume: String
  @Option(name: .shortAndLong, help: "The file to write.") var output: String?

  func run(_ session: REPLSession) async throws -> Int32 {
    try await session.writeArchive(to: output) { path, stream, credit in
      let answer = try await session.request(
        VolumeExport.self, .init(volume: volume, path: path, stream: stream, initialCredit: credit))
      return (answer, answer.bytes)
    }
  }
}

struct ImportVolume: REPLCommand {
  static let configuration = CommandConfiguration(
    commandName: "import", abstract: "Make a volume of a tar archive.",
    discussion:
      "The archive may be compressed; - is standard input. A volume of that name is filled where it is empty."
  )
  static var completesInOrder: [[NameKind]]? { [[.files], [.volumes]] }
  @Argument(help: "The archive.") var file: String
  @Argument(help: "The volume's name; a generated one when absent.") var name: String?
  @Option(help: "A label, name=value.") var label: [String] = []

  func run(_ session: REPLSession) async throws -> Int32 {
    let input = try ArchiveInput(session, file: file)
    let labels = label.isEmpty ? nil : try assignments(label)
    let answer = try await input.carry {
      try await session.request(
        VolumeImport.self, .init(name: name, labels: labels, path: input.path, stream: input.stream))
    }
    if session.terminal.isJSON {
      session.terminal.printJSON(answer)
      return 0
    }
    session.terminal.print("\(answer.volume.name)  \(answer.entries) entries")
    for warning in answer.warnings ?? [] { session.terminal.note(warning) }
    return 0
  }
}
