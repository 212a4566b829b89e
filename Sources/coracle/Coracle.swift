import ArgumentParser
import EngineErrors
import LinuxSystem

/// `coracle`: the container engine that is spoken to over its standard input and output.
@main
struct Coracle: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "coracle",
    abstract: "A container engine that is spoken to like a language server.",
    discussion: """
      `coracle serve` speaks JSON-RPC on its standard input and output. `coracle repl` is for people.
      """,
    version: Version.current,
    subcommands: [Serve.self, REPL.self])

  static func main() async {
    // First of all, while there is one thread and nothing has printed: standard output carries the protocol and
    // nothing else (invariant 9), and an ordinary user's service moves into the user's namespace.
    let arguments = Array(CommandLine.arguments.dropFirst())
    await main(arguments)
  }
}
