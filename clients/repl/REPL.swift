import ArgumentParser
import Foundation
import Glibc
import RPCModel
import RPCTransport

/// `coracle-repl`: the engine in words. It starts a service of its own and knows no more than any other client.
@main
struct REPL: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "coracle-repl",
    abstract: "Talk to the container engine in words.",
    discussion: """
      Without arguments, reads commands at a prompt; `help` there lists them. With -c or with files, runs those \
      commands, stops at the first that fails, and ends with its status.
      """)

  @Option(
    name: .short,
    help: ArgumentHelp(
      "Run these commands, separated by ; or line breaks; several are run in their order.",
      valueName: "commands"))
  var c: [String] = []

  @Argument(help: "Files with commands, one a line.", completion: .file())
  var scripts: [String] = []

  @Flag(name: [.customShort("n"), .long], help: "Check that the commands can be read, and run none.")
  var check = false

  @Flag(help: "Print results, events and what failed as JSON, one a line.")
  var json = false

  @Flag(help: "Show events as they happen, in the margin.")
  var events = false

  @Option(help: "The store's directory.", completion: .directory)
  var store: String?

  @Option(name: .customLong("run"), help: "The directory for what runs.", completion: .directory)
  var runDirectory: String?

  @Option(
    help: ArgumentHelp(
      "What starts the engine, as 'ssh host coracle serve' (default: CORACLE, or the coracle beside this).",
      discussion: """
        Paths of directories, and those in -v, are that machine's then; archives that commands read and write are this one's. \
        What is behind serve, as --log-level info, goes there.
        """, valueName: "command"))
  var server: String?

  func run() throws {
    // A reader that has gone away is an error to report: `images | head`, and a server that ends at once.
    signal(SIGPIPE, SIG_IGN)
    let terminal = Terminal(isJSON: json)
    let status: Int32
    do {
      let script = try Script.read(c, files: scripts, standardInput: terminal.isInputTerminal)
      if check {
        guard let script else {
          throw ValidationError("--check needs commands: -c, a file or standard input")
        }
        status = script.check(terminal)
      } else {
        let server = try server.map(ServerCommand.init)
        status = awaitResult { await start(terminal, script, server) }
      }
    } catch {
      terminal.print(error: error)
      status = 2
    }
    Foundation.exit(status)
  }

  private func start(_ terminal: Terminal, _ script: Script?, _ server: ServerCommand?) async -> Int32 {
    let session: REPLSession
    do {
      session = try await REPLSession.start(
        terminal: terminal, server: server, locations: locationArguments,
        ownsStandardInput: script?.leavesInput ?? false)
    } catch {
      terminal.print(error: error)
      return 2
    }
    do {
      if events { try await session.events.showInMargin(true, session) }
    } catch {
      terminal.print(error: error)
    }
    let status = if let script { await script.run(session) } else { await Prompt(session: session).run() }
    await session.end()
    return status
  }

  private var locationArguments: [String] {
    (store.map { ["--store", $0] } ?? []) + (runDirectory.map { ["--run", $0] } ?? [])
  }
}

/// Runs asynchronous work from a thread that is none of the concurrency pool's, which waits for it.
func awaitResult<Result: Sendable>(_ work: @escaping @Sendable () async -> Result) -> Result {
  let done = DispatchSemaphore(value: 0)
  nonisolated(unsafe) var result: Result?  // Written before the signal, read after the wait.
  Task {
    result = await work()
    done.signal()
  }
  done.wait()
  guard let result else { preconditionFailure("signalled without a result") }
  return result
}
