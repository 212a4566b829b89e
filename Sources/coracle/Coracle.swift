import ArgumentParser

/// `coracle`: the container engine that is spoken to over its standard input and output.
@main
struct Coracle: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "coracle",
    abstract: "A container engine that is spoken to like a language server.",
    discussion: """
      `coracle serve` speaks JSON-RPC on its standard input and output. `coracle repl` is for people, \
      and `coracle doctor` says what a machine lacks.
      """,
    version: Version.current,
    subcommands: [Serve.self, REPL.self, Doctor.self])
}
