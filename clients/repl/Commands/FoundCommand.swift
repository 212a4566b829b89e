import ArgumentParser

/// The command that words begin with, down to its sub-command.
struct FoundCommand: Sendable {
  var type: any REPLCommand.Type
  /// As it is written: `network create`.
  var path: String
  /// What comes behind it.
  var rest: [String]

  /// Nil where the first word is no command.
  init?(_ words: [String]) {
    guard let name = words.first, let command = CommandTable.command(name) else { return nil }
    (type, path, rest) = (command, name, Array(words.dropFirst()))
    guard let word = rest.first, let part = parts.first(where: { $0.isNamed(word) }) else { return }
    (type, path, rest) = (part, "\(name) \(part._commandName)", Array(rest.dropFirst()))
  }

  var parts: [any REPLCommand.Type] {
    type.configuration.subcommands.compactMap { $0 as? any REPLCommand.Type }
  }
  var partNames: [String] { parts.map { $0._commandName } }

  /// The word where the name of a sub-command should be.
  var unknownPart: String? {
    guard !parts.isEmpty, let word = rest.first, !word.hasPrefix("-"), word != "help" else { return nil }
    return word
  }
}

extension ParsableCommand {
  fileprivate static func isNamed(_ word: String) -> Bool {
    _commandName == word || configuration.aliases.contains(word)
  }
}
