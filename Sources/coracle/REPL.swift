import ArgumentParser
import Foundation
import LinuxSystem

struct REPL: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "repl", abstract: "Talk to the engine in words; the same as the program coracle-repl.")

  @Argument(parsing: .captureForPassthrough, help: "What coracle-repl takes: see `coracle repl --help`.")
  var arguments: [String] = []

  /// Becomes the other program.
  func run() throws {
    let program = try SiblingProgram.find("coracle-repl", environmentVariable: "CORACLE_REPL")
    try replaceProcess(program, arguments: [program.string] + arguments)
  }
}
