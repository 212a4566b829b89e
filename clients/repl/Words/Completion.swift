import ArgumentParser
import Foundation
import RPCModel

/// What the last word of a line can become: a command, an option of it, or the name of a thing.
struct Completion: Sendable {
  private let session: REPLSession

  init(_ session: REPLSession) { self.session = session }

  /// - Returns: the last word, and what it can become.
  func candidates(_ line: String) async -> (word: String, candidates: [String]) {
    let typed = TypedWords(line)
    return (typed.last, await candidates(typed.before, typed.last))
  }

  private func candidates(_ before: [String], _ word: String) async -> [String] {
    guard let first = before.first else { return CommandTable.names + ["help", "quit"] }
    if first == "help" {
      return before.count == 1
        ? CommandTable.names
        : before.count == 2 ? FoundCommand(Array(before.dropFirst()))?.partNames ?? [] : []
    }
    guard let command = FoundCommand(before) else { return [] }
    if !command.parts.isEmpty { return before.count == 1 ? command.partNames : [] }
    let options = CommandOptions(of: command.type)
    if let equals = word.firstIndex(of: "="), word.hasPrefix("--") {
      let name = String(word[..<equals])
      return await values(of: name, String(word[word.index(after: equals)...])).map { "\(name)=\($0)" }
    }
    if let option = command.rest.last.flatMap(options.option(withValueBehind:)) {
      return await values(of: option, word)
    }
    let given = options.arguments(command.rest)
    let position = given.count
    // What is behind a container's image is the program's own.
    let isOver = command.type.completesInOrder.map { position >= $0.count } ?? false
    if word.hasPrefix("-") { return isOver ? [] : options.names }
    let kinds =
      command.type.completesInOrder.map { isOver ? command.type.completesBehind : $0[position] }
      ?? command.type.completes
    var names: [String] = []
    for kind in kinds { names += await things(kind, word, given) }
    // A program can be told of one file twice.
    return isOver ? names : names.filter { !given.contains($0) }
  }

  private func things(_ kind: NameKind, _ word: String, _ given: [String]) async -> [String] {
    switch kind {
    case .images: await images()
    case .containers: await containers(all: true)
    case .runningContainers: await containers(all: false)
    case .volumes: await volumes()
    case .networks: await networks()
    case .files: files(word)
    case .places: await places(word)
    case .containerFiles: await files(word, in: given.first ?? "")
    case .words(let words): words
    }
  }

  /// What an option can be given; nothing for those that this knows nothing of.
  private func values(of option: String, _ word: String) async -> [String] {
    switch option {
    case "--network": return await networks() + ["none", "host", "bridge"]
    case "-v", "--volume":
      if word.contains(":") { return [] }
      let isPath = ["/", ".", "~"].contains { word.hasPrefix($0) }
      return isPath ? files(word) : await volumes().map { $0 + ":" }
    case "--mount": return await mounts(word)
    case "-f", "--file", "-o", "--output", "-i", "--input", "--directory", "--env-file", "--seccomp":
      return files(word)
    case "--secret", "--build-context":
      guard let equals = word.lastIndex(of: "=") else { return [] }
      let before = word[...equals]
      return files(String(word[word.index(after: equals)...])).map { before + $0 }
    case "--restart": return ["no", "on-failure", "always", "unless-stopped"]
    case "--platform": return ["linux/amd64", "linux/arm64"]
    case "--compression": return ["gzip", "zstd"]
    case "--detach-keys": return ["ctrl-p,ctrl-q"]
    default: return []
    }
  }

  private func mounts(_ word: String) async -> [String] {
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

  private func networks() async -> [String] {
    let answer = try? await session.connection.send(NetworkList.self, .init())
    return (answer?.networks ?? []).map(\.name)
  }

  /// Files here, and containers; behind a container's colon files in it.
  private func places(_ word: String) async -> [String] {
    guard let colon = word.firstIndex(of: ":"), !word[..<colon].contains("/") else {
      return files(word) + (await containers(all: true).map { $0 + ":/" })
    }
    let container = TypedWords(String(word[..<colon])).lastRead
    let path = String(word[word.index(after: colon)...])
    return await files(path.isEmpty ? "/" : path, in: container).map { word[...colon] + $0 }
  }

  /// The same as `files(_:)` in a container. What it calls its files is its own: nothing that a terminal would obey.
  private func files(_ word: String, in container: String) async -> [String] {
    guard word.hasPrefix("/"), let slash = word.lastIndex(of: "/") else { return [] }
    let typed = String(word[...slash])
    let name = TypedWords(String(word[word.index(after: slash)...])).lastRead
    let answer = try? await session.connection.send(
      ContainerListFiles.self,
      .init(container: container, path: TypedWords(typed).lastRead, prefix: name))
    return (answer?.files ?? []).filter { file in
      file.name.hasPrefix(".") == name.hasPrefix(".") && file.name.printable == file.name
    }.map { typed + TypedWords.quoted($0.name) + ($0.directory ? "/" : "") }
  }

  /// Files beside what is typed of a path; hidden ones where their dot is typed.
  private func files(_ word: String) -> [String] {
    let typed = word.lastIndex(of: "/").map { String(word[...$0]) } ?? ""
    let parent = typed.isEmpty ? "." : NSString(string: TypedWords(typed).lastRead).expandingTildeInPath
    let isHidden = word.dropFirst(typed.count).hasPrefix(".")
    let names = (try? FileManager.default.contentsOfDirectory(atPath: parent)) ?? []
    return names.filter { $0.hasPrefix(".") == isHidden }.map { name in
      var isDirectory: ObjCBool = false
      _ = FileManager.default.fileExists(atPath: parent + "/" + name, isDirectory: &isDirectory)
      return typed + TypedWords.quoted(name) + (isDirectory.boolValue ? "/" : "")
    }
  }
}
