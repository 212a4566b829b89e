import Foundation
import RPCModel

/// What the last word of a line can become: a command, an option of it, or the name of a thing.
struct Completion: Sendable {
  private let session: REPLSession

  init(_ session: REPLSession) { self.session = session }

  func candidates(_ line: String) async -> [String] {
    let words = line.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
    guard let word = words.last else { return [] }
    if words.count == 1 { return CommandTable.names + ["help", "quit"] }
    if words.first == "help" { return CommandTable.names }
    guard var command = CommandTable.command(words[0]) else { return [] }
    let parts = command.configuration.subcommands.compactMap { $0 as? any REPLCommand.Type }
    if !parts.isEmpty {
      if words.count == 2 { return parts.map { $0._commandName } }
      guard let part = parts.first(where: { $0._commandName == words[1] }) else { return [] }
      command = part
    }
    if let option = words.dropLast().last, let values = await values(of: option, word) { return values }
    if word.hasPrefix("-") { return CommandTable.options(of: command) }
    var names: [String] = []
    let position = words.dropFirst(parts.isEmpty ? 1 : 2).dropLast().count { !$0.hasPrefix("-") }
    for kind in command.completes {
      switch kind {
      case .images: names += await images()
      case .containers: names += await containers(all: true)
      case .runningContainers: names += await containers(all: false)
      case .volumes: names += await volumes()
      case .networks: names += await networks()
      case .files where position == 0: names += files(word)
      case .files: break
      }
    }
    return names
  }

  private func images() async -> [String] {
    let answer = try? await session.connection.send(ImageList.self, .init())
    return (answer?.images ?? []).flatMap { $0.references.map { FamiliarName($0).text } }
  }

  private func containers(all: Bool) async -> [String] {
    let answer = try? await session.connection.send(ContainerList.self, .init(all: all))
    return (answer?.containers ?? []).map(\.name)
  }

  private func volumes() async -> [String] {
    let answer = try? await session.connection.send(VolumeList.self, .init())
    return (answer?.volumes ?? []).map(\.name)
  }

  /// What an option can be given; nil for those that this knows nothing of.
  private func values(of option: String, _ word: String) async -> [String]? {
    switch option {
    case "--network": return await networks() + ["none", "host", "bridge"]
    case "-v", "--volume":
      if word.contains(":") { return [] }
      let isPath = ["/", ".", "~"].contains { word.hasPrefix($0) }
      return isPath ? files(word) : await volumes().map { $0 + ":" }
    case "--mount":
      guard let comma = word.lastIndex(of: ",") else {
        return ["volume", "bind", "tmpfs"].map { "type=\($0)," }
      }
      let before = word[...comma]
      let field = word[word.index(after: comma)...]
      guard let equals = field.firstIndex(of: "="), ["src", "source"].contains(field[..<equals]) else {
        return ["source=", "target=", "readonly"].map { before + $0 }
      }
      let beginning = before + field[...equals]
      let values =
        before.contains("type=bind") ? files(String(field[field.index(after: equals)...])) : await volumes()
      return values.map { beginning + $0 }
    default: return nil
    }
  }

  private func networks() async -> [String] {
    let answer = try? await session.connection.send(NetworkList.self, .init())
    return (answer?.networks ?? []).map(\.name)
  }

  private func files(_ word: String) -> [String] {
    let parent = word.lastIndex(of: "/").map { String(word[...$0]) } ?? ""
    let names = (try? FileManager.default.contentsOfDirectory(atPath: parent.isEmpty ? "." : parent)) ?? []
    return names.filter { !$0.hasPrefix(".") }.map { name in
      var isDirectory: ObjCBool = false
      _ = FileManager.default.fileExists(atPath: parent + name, isDirectory: &isDirectory)
      return parent + name + (isDirectory.boolValue ? "/" : "")
    }
  }
}
