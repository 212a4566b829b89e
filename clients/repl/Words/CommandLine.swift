import ArgumentParser
import RPCModel

/// One typed command on its way to being run.
struct CommandLine: Sendable {
  private let parsed: Result<[[String]], any Error>

  init(_ text: String) { parsed = Result { try WordSplitter.commands(text) } }
  init(_ words: [String]) { parsed = .success([words]) }

  /// What words turn out to be.
  private enum Reading {
    case command(any REPLCommand)
    case help(Help)
    case none(RPCError)
  }

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

  /// - Returns: whether its words make commands; where they do not, a person is told.
  func check(_ terminal: Terminal) -> Bool {
    do {
      return try parsed.get().map { words in
        guard case .none(let why) = Self.read(words) else { return true }
        terminal.print(error: why)
        return false
      }.allSatisfy(\.self)
    } catch {
      terminal.print(error: error)
      return false
    }
  }

  private func run(_ words: [String], _ session: REPLSession) async -> Int32 {
    let terminal = session.terminal
    switch Self.read(words) {
    case .none(let why):
      terminal.print(error: why)
      return 2
    case .help(let help):
      terminal.print(help.text(terminal))
      return 0
    case .command(let command):
      session.started.clear()
      do {
        return try await command.run(session)
      } catch {
        terminal.print(error: error)
        return ErrorText.status(error)
      }
    }
  }

  private static func read(_ words: [String]) -> Reading {
    func error(_ text: String, hint: String) -> Reading {
      .none(
        RPCError(
          code: ErrorCode.invalidParams, message: text,
          data: ErrorData(kind: .invalidArgument, retriable: false, causes: [], hint: hint)))
    }
    let isHelp = words[0] == "help"
    let about = isHelp ? Array(words.dropFirst()) : words
    if isHelp, about.isEmpty { return .help(Help(nil)) }
    guard let found = FoundCommand(about) else {
      return error(
        "there is no command \(about[0])",
        hint: CommandTable.meant(by: about[0]) ?? "help lists what there is")
    }
    if let wrong = found.unknownPart {
      let names = found.partNames
      return error(
        "\(about[0]) has no command \(wrong)",
        hint: didYouMean(wrong, among: names).map { "\($0) help \(about[0])" }
          ?? "there are \(names.joined(separator: ", "))")
    }
    if isHelp || found.rest.first.map({ ["--help", "-h"].contains($0) }) ?? false {
      return .help(Help(found))
    }
    do {
      guard let command = try CommandTable.parseAsRoot(words) as? any REPLCommand else {
        return .help(Help(found))
      }
      return .command(command)
    } catch let failure {
      // A request for help among other options is a failure to the parser.
      if CommandTable.exitCode(for: failure) == .success { return .help(Help(found)) }
      return error(CommandTable.message(for: failure), hint: "help \(found.path)")
    }
  }
}
