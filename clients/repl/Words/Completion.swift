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
    guard let command = CommandTable.command(words[0]) else { return [] }
    if word.hasPrefix("-") { return CommandTable.options(of: command) }
    var names: [String] = []
    let position = words.dropFirst().dropLast().count { !$0.hasPrefix("-") }
    for kind in command.completes {
      switch kind {
      case .images: names += await images()
      case .containers: names += await containers(all: true)
      case .runningContainers: names += await containers(all: false)
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
