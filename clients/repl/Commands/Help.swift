import ArgumentParser

/// The list of all commands, and the page of one.
struct Help: Sendable {
  private let command: FoundCommand?

  /// - Parameter command: nil for the list.
  init(_ command: FoundCommand?) { self.command = command }

  func text(_ terminal: Terminal) -> String {
    let columns = min(100, terminal.printedColumns ?? 100)
    guard let command else { return list(terminal, columns) }
    var page = CommandTable.page(of: command.type, columns: max(40, columns))
    // ArgumentParser's own words for what is no program here.
    if let end = page.range(of: "\n  See '") { page = String(page[..<end.lowerBound]) }
    while page.last?.isNewline ?? false { page.removeLast() }
    page = page.split(separator: "\n", omittingEmptySubsequences: false).flatMap { line in
      guard line.hasPrefix("USAGE: ") else { return [String(line)] }
      return String(line).wrapped(to: columns - 7).enumerated().map { ($0 == 0 ? "" : "       ") + $1 }
    }.joined(separator: "\n")
    let examples = Examples.of(command.path)
    if !examples.isEmpty { page += "\n\nEXAMPLES:\n" + examples.map { "  \($0)\n" }.joined() }
    if !command.parts.isEmpty { page += "\n`help \(command.path) COMMAND` explains one.\n" }
    while page.last?.isNewline ?? false { page.removeLast() }
    return page
  }

  private func list(_ terminal: Terminal, _ columns: Int) -> String {
    var lines: [String] = []
    let width = (CommandTable.names.map(\.count).max() ?? 0) + 2
    func add(_ name: String, _ text: String) {
      for (index, part) in text.wrapped(to: max(20, columns - width - 2)).enumerated() {
        lines.append("  " + (index == 0 ? name : "").padded(to: width) + part)
      }
    }
    for group in CommandTable.groups {
      if !lines.isEmpty { lines.append("") }
      lines.append(terminal.output.bold(group.name))
      for command in group.commands { add(command._commandName, command.configuration.abstract) }
    }
    lines.append("")
    lines.append(terminal.output.bold("The prompt"))
    add("help", "List the commands; `help run` explains one, with examples.")
    add("quit", "Leave, as Ctrl-D does. Containers go on.")
    lines.append("")
    lines += "Tab completes, Ctrl-R searches what was typed, Ctrl-C cancels what is under way.".wrapped(
      to: columns)
    return lines.joined(separator: "\n")
  }
}

extension String {
  /// Lines of so many columns, broken between words.
  fileprivate func wrapped(to columns: Int) -> [String] {
    var lines: [String] = []
    for word in split(separator: " ") {
      if let last = lines.last, last.count + 1 + word.count <= columns {
        lines[lines.count - 1] = "\(last) \(word)"
      } else {
        lines.append(String(word))
      }
    }
    return lines
  }
}
