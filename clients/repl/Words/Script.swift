import Foundation
import RPCModel

/// Commands that are not typed: from -c, from files, or from a standard input that is no terminal.
struct Script: Sendable {
  var text: String
  /// Whether standard input is free for the commands themselves.
  var leavesInput: Bool

  /// - Returns: nil where a person is to be asked.
  static func read(_ commands: String?, files: [String], standardInput isTerminal: Bool) throws -> Script? {
    if let commands { return Script(text: commands, leavesInput: true) }
    if !files.isEmpty {
      let texts = try files.map { path in
        do { return try String(contentsOfFile: path, encoding: .utf8) } catch {
          throw RPCError(
            code: 0, message: "cannot read the script \(path)",
            data: ErrorData(
              kind: .notFound, retriable: false, subject: path, causes: [error.localizedDescription]))
        }
      }
      return Script(text: texts.joined(separator: "\n"), leavesInput: true)
    }
    if isTerminal { return nil }
    return Script(
      text: String(decoding: FileHandle.standardInput.readDataToEndOfFile(), as: UTF8.self),
      leavesInput: false)
  }

  /// Runs the commands up to the first that fails.
  ///
  /// - Returns: the status of the last one run.
  func run(_ session: REPLSession) async -> Int32 {
    let commands: [[String]]
    do { commands = try WordSplitter.commands(text) } catch {
      session.terminal.print(error: error)
      return 2
    }
    for words in commands {
      if ["quit", "exit"].contains(words[0]) { return 0 }
      let status = await CommandLine(words).run(session)
      if status != 0 { return status }
    }
    return 0
  }
}
