import Foundation
import Glibc
import RPCModel

/// Commands that are not typed: from -c, from files, or from a standard input that is no terminal.
struct Script: Sendable {
  /// One after the other; a command ends with its text.
  var texts: [String]
  /// Whether standard input is free for the commands themselves.
  var leavesInput: Bool

  /// - Returns: nil where a person is to be asked.
  static func read(_ commands: [String], files: [String], standardInput isTerminal: Bool) throws -> Script? {
    if !files.isEmpty || !commands.isEmpty {
      let texts = try files.map { path in
        try read(path)
      }
      return Script(texts: commands + texts, leavesInput: true)
    }
    if isTerminal { return nil }
    return Script(
      texts: [String(decoding: FileHandle.standardInput.readDataToEndOfFile(), as: UTF8.self)],
      leavesInput: false)
  }

  private static func read(_ path: String) throws -> String {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    var found = stat()
    guard file >= 0, fstat(file, &found) == 0, found.st_mode & S_IFMT != S_IFDIR else {
      let error = file < 0 ? errno : EISDIR
      if file >= 0 { close(file) }
      throw systemFailure("cannot read the script \(path)", error, subject: path)
    }
    let handle = FileHandle(fileDescriptor: file, closeOnDealloc: true)
    guard let bytes = try? handle.readToEnd() ?? Data(), let text = String(data: bytes, encoding: .utf8)
    else {
      throw RPCError(
        .invalidArgument, "cannot read the script \(path)", subject: path, causes: ["it is no text in UTF-8"],
        hint: "give a file with a command in each line")
    }
    return text
  }

  /// Runs the commands up to the first that fails.
  ///
  /// - Returns: the status of the last one run.
  func run(_ session: REPLSession) async -> Int32 {
    guard let commands = commands(session.terminal) else { return 2 }
    for words in commands {
      if ["quit", "exit"].contains(words[0]) { return 0 }
      let status = await CommandLine(words).run(session)
      if status != 0 { return status }
    }
    return 0
  }

  /// Says which commands are none, or lack something; runs none.
  ///
  /// - Returns: 2 where one cannot be run.
  func check(_ terminal: Terminal) -> Int32 {
    guard let commands = commands(terminal) else { return 2 }
    return commands.filter { !["quit", "exit"].contains($0[0]) && !CommandLine($0).check(terminal) }.isEmpty
      ? 0 : 2
  }

  private func commands(_ terminal: Terminal) -> [[String]]? {
    do { return try texts.flatMap(WordSplitter.commands) } catch {
      terminal.print(error: error)
      return nil
    }
  }
}
