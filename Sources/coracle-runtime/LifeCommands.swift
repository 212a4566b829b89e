import ArgumentParser
import EngineErrors
import LinuxSystem
import OCIRuntime
import SystemPackage

/// The options of `create` and `run`.
struct BundleOptions: ParsableArguments {
  @Option(name: [.short, .long], help: "The bundle's directory.")
  var bundle = "."

  @Option(help: "A local socket that gets the terminal's master.")
  var consoleSocket: String?

  @Option(help: "A file that gets the number of the container's first process.")
  var pidFile: String?

  @Option(help: "How many of this program's descriptors from 3 on the container's process gets.")
  var preserveFds = 0

  @Flag(help: "Accepted; the root is always entered by pivot_root.")
  var noPivot = false

  @Flag(help: "Accepted; the session keyring is left as it is.")
  var noNewKeyring = false

  @Flag(help: "Accepted.")
  var noSubreaper = false

  func processOptions() throws(EngineError) -> ProcessOptions {
    let passed = try PassedDescriptors(preserveFds, withSockets: true)
    return ProcessOptions(
      pidFile: pidFile.map { FilePath($0) }, consoleSocket: consoleSocket.map { FilePath($0) },
      preserved: passed.descriptors, environment: passed.environment)
  }
}

struct Create: RuntimeCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make a container; its command waits for `start`.")
  @OptionGroup var global: GlobalOptions
  @OptionGroup var options: BundleOptions
  @Argument(help: "The container's id.") var id: String

  func run() throws {
    try global.runtime().create(id, bundle: FilePath(options.bundle), options.processOptions())
  }
}

struct Start: RuntimeCommand {
  static let configuration = CommandConfiguration(abstract: "Let a created container's command be executed.")
  @OptionGroup var global: GlobalOptions
  @Argument(help: "The container's id.") var id: String

  func run() throws { try global.runtime().start(id) }
}

struct Run: RuntimeCommand {
  static let configuration = CommandConfiguration(
    abstract: "Create and start a container, wait for its end and delete it.",
    discussion: "The exit status is the command's, or 128 and the number of the signal that ended it.")
  @OptionGroup var global: GlobalOptions
  @OptionGroup var options: BundleOptions
  @Flag(name: [.short, .long], help: "Return when it has started.") var detach = false
  @Flag(help: "Do not delete it when it has ended.") var keep = false
  @Argument(help: "The container's id.") var id: String

  func run() throws {
    let runtime = try global.runtime()
    throw ExitCode(
      try runtime.run(
        id, bundle: FilePath(options.bundle), options.processOptions(), isDetached: detach, keeps: keep))
  }
}

struct State: RuntimeCommand {
  static let configuration = CommandConfiguration(abstract: "Print the state of a container as JSON.")
  @OptionGroup var global: GlobalOptions
  @Argument(help: "The container's id.") var id: String

  func run() throws {
    let state = try global.runtime().state(id)
    FileDescriptor.standardOutput.print(String(decoding: try state.json(pretty: true), as: UTF8.self) + "\n")
  }
}

struct Kill: RuntimeCommand {
  static let configuration = CommandConfiguration(abstract: "Send a signal to a container's first process.")
  @OptionGroup var global: GlobalOptions
  @Flag(name: [.short, .long], help: "To all its processes.") var all = false
  @Argument(help: "The container's id.") var id: String
  @Argument(help: "By name or number.") var signal = "TERM"

  func run() throws {
    guard let signal = Signal(signal) else {
      throw EngineError(.invalidArgument, "unknown signal \"\(signal)\"", subject: signal)
    }
    try global.runtime().kill(id, signal, all: all)
  }
}

struct Delete: RuntimeCommand {
  static let configuration = CommandConfiguration(abstract: "Remove a container that has ended.")
  @OptionGroup var global: GlobalOptions
  @Flag(name: [.short, .long], help: "Kill it first if it runs; a missing one is no error.") var force = false
  @Argument(help: "The container's id.") var id: String

  func run() throws { try global.runtime().delete(id, force: force) }
}
