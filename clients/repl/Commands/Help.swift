/// The list of all commands, and the page of one.
struct Help: Sendable {
  private let words: [String]

  /// - Parameter words: those behind `help`.
  init(_ words: [String]) { self.words = words }

  /// - Returns: nil where there is no such command.
  func text(_ terminal: Terminal) -> String? {
    guard let name = words.first else { return list(terminal) }
    guard let command = CommandTable.command(name) else { return nil }
    let part = command.configuration.subcommands.first { words.count > 1 && $0._commandName == words[1] }
    return CommandTable.page(of: part as? any REPLCommand.Type ?? command)
  }

  private func list(_ terminal: Terminal) -> String {
    var lines: [String] = []
    let width = (CommandTable.names.map(\.count).max() ?? 0) + 2
    for group in CommandTable.groups {
      if !lines.isEmpty { lines.append("") }
      lines.append(terminal.bold(group.name))
      for command in group.commands {
        lines.append("  " + command._commandName.padded(to: width) + command.configuration.abstract)
      }
    }
    lines += [
      "", "`help COMMAND` explains one. Tab completes, Ctrl-R searches what was typed, Ctrl-D leaves.",
    ]
    return lines.joined(separator: "\n")
  }
}
