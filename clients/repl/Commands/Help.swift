/// The list of all commands, and the page of one.
struct Help: Sendable {
  private let words: [String]

  /// - Parameter words: those behind `help`.
  init(_ words: [String]) { self.words = words }

  /// - Returns: nil where there is no such command.
  func text(_ terminal: Terminal) -> String? {
    guard let name = words.first else { return list(terminal) }
    return CommandTable.command(name).map { CommandTable.page(of: $0) }
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
