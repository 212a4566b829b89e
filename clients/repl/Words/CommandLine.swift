import ArgumentParser
import RPCModel

/// One typed command on its way to being run.
struct CommandLine: Sendable {
  private let parsed: Result<[[String]], any Error>

  init(_ text: String) { parsed = Result { try WordSplitter.commands(text) } }
  init(_ words: [String]) { parsed = .success([words]) }

  /// - Returns: 0; the exit code of a container's process, or 127 or 126 where its command is not there or cannot be
  ///   executed; 130 when it was cancelled; 2 for words that make no command, and 1 for all other failures.
  func run(_ session: REPLSession) async -> Int32 {
    do {
      var status: Int32 = 0
      for words in try parsed.get() where status == 0 { status = await run(words, session) }
      return status
    } catch {
      session.terminal.print(error: error)
      return 2
    }
  }

  private func run(_ words: [String], _ session: REPLSession) async -> Int32 {
    let terminal = session.terminal
    let name = words[0]
    if name == "help" || words.dropFirst().contains(where: { $0 == "--help" || $0 == "-h" }) && isOwn(words) {
      let about = name == "help" ? Array(words.dropFirst()) : [name]
      guard let text = Help(about).text(terminal) else { return unknown(about[0], terminal) }
      terminal.print(text)
      return 0
    }
    guard CommandTable.command(name) != nil else { return unknown(name, terminal) }
    let command: any REPLCommand
    do {
      guard let parsed = try CommandTable.parseAsRoot(words) as? any REPLCommand else {
        return unknown(name, terminal)
      }
      command = parsed
    } catch {
      let text = CommandTable.message(for: error)
      terminal.note("\(terminal.red("error:")) \(text)\n  hint: \(nearPart(words) ?? "help \(name)")")
      return 2
    }
    session.started.clear()
    do {
      return try await command.run(session)
    } catch {
      terminal.print(error: error)
      return ErrorText.status(error)
    }
  }

  /// For who has got the second word of a command wrong that has some.
  private func nearPart(_ words: [String]) -> String? {
    let parts = CommandTable.command(words[0])?.configuration.subcommands.map { $0._commandName } ?? []
    guard words.count > 1, !parts.contains(words[1]) else { return nil }
    return didYouMean(words[1], among: parts)
  }

  /// Whether an option among the words is for the command, and not for the program it is to run.
  private func isOwn(_ words: [String]) -> Bool { words.count == 2 }

  private func unknown(_ name: String, _ terminal: Terminal) -> Int32 {
    terminal.note("\(terminal.red("error:")) there is no command \(name)\n  hint: help lists what there is")
    return 2
  }
}
