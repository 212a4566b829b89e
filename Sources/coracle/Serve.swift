public import ArgumentParser
import Dispatch
import Engine
import EngineErrors
import Foundation
import LinuxSystem
public import Logging
public import RPCTransport
import Service

extension Framing: ExpressibleByArgument {}
extension Logger.Level: @retroactive ExpressibleByArgument {}

struct Serve: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Serve one client over standard input and output.",
    discussion: """
      Messages are JSON-RPC 2.0, framed as the Language Server Protocol does or one a line. The service ends with its \
      input or after `exit`; containers stay. See protocol/README.md for what there is to say.
      """)

  @Option(help: "How messages are told apart: content-length headers, as in LSP, or lines.")
  var framing = Framing.contentLength

  @OptionGroup var location: LocationOptions
  @OptionGroup(title: "Limits on layers") var limits: UnpackLimitOptions

  @Option(help: "What to tell on standard error: trace, debug, info, notice, warning or error.")
  var logLevel = Logger.Level.warning

  @Option(
    help: ArgumentHelp(
      "Copy all messages to a file in this directory, as lines of JSON (default: CORACLE_RECORD).",
      valueName: "directory"), completion: .directory)
  var record: String?

  /// While this runs up to `Session.serve`, the process has one thread.
  func run() throws {
    let (input, output) = try takeStandardStreams()
    ignoreBrokenPipes()
    noticeChildren()
    useOrdinaryUmask()
    let openFiles = raiseOpenFileLimit()
    if let point = ProcessInfo.processInfo.environment["CORACLE_FAILPOINT"], !Failpoint.arm(point) {
      throw ValidationError(
        "CORACLE_FAILPOINT names no failpoint: \(point)\nthere are: \(Failpoint.names)")
    }
    let channel = MessageChannel(
      input: input, output: output, framing: framing, record: try openRecord())
    var log = Logger(label: "coracle") { StreamLogHandler.standardError(label: $0) }
    log.logLevel = logLevel
    let engine: ContainerEngine
    do {
      engine = try openEngine(log, openFiles)
    } catch {
      // Told to the person at a terminal, and to the program that waits for an answer.
      FileHandle.standardError.write(Data("coracle: \(Self.text(error))\n".utf8))
      let refused = RefusedSession(channel: channel, reason: error)
      Foundation.exit(
        awaitResult {
          await refused.serve()
          return 1
        })
    }
    let session = Session(engine: engine, channel: channel, version: Version.current, log: log)
    Foundation.exit(awaitResult { await session.serve() })
  }

  /// Before the move into a user namespace: the directory is one of the caller's.
  private func openRecord() throws -> SessionRecord? {
    guard let directory = record ?? ProcessInfo.processInfo.environment["CORACLE_RECORD"] else { return nil }
    do { return try SessionRecord(directory: StoreLocation.absolute(directory)) } catch {
      throw ValidationError("cannot record the session in \(directory): \(error)")
    }
  }

  private func openEngine(_ log: Logger, _ openFiles: (soft: UInt64, hard: UInt64)?) throws -> ContainerEngine
  {
    let userID = effectiveIDs().user
    let environment = ProcessInfo.processInfo.environment
    let location = try StoreLocation(
      store: location.store, run: location.run, environment: environment, userID: userID)
    try location.prepareRunDirectory(userID: userID)
    if userID != 0 { try RootlessNamespace.enter(runDirectory: location.run) }
    var configuration = try EngineConfiguration(
      storeDirectory: location.store, runDirectory: location.run,
      shim: SiblingProgram.find("coracle-shim", environmentVariable: "CORACLE_SHIM"),
      isRootless: !UserNamespace.isInitial, highestID: UserNamespace.highestID)
    configuration.dockerConfigDirectory = StoreLocation.dockerConfigDirectory(environment)
    configuration.environment = environment
    configuration.openFiles = openFiles
    let directories = StoreLocation.configurationDirectories(environment)
    let named = self.location.config ?? environment["CORACLE_CONFIG"]
    try Settings.read(named.map(StoreLocation.absolute), in: directories).apply(to: &configuration)
    // What was set up for Docker counts too.
    configuration.certificateDirectories =
      directories.reversed().map { $0.appending("certs.d") } + ["/etc/docker/certs.d"]
    limits.apply(to: &configuration)
    return try ContainerEngine(configuration, log: log)
  }

  private static func text(_ error: any Error) -> String {
    guard let error = error as? EngineError else { return "\(error)" }
    return error.description + (error.hint.map { "\nhint: \($0)" } ?? "")
  }
}

/// Where the store is, for every command that starts a service.
struct LocationOptions: ParsableArguments {
  @Option(
    help: "The store's directory (default: CORACLE_STORE, or /var/lib/coracle, or $XDG_DATA_HOME/coracle).",
    completion: .directory)
  var store: String?

  @Option(
    help:
      "The directory for what runs, on a tmpfs (default: CORACLE_RUN, or /run/coracle, or $XDG_RUNTIME_DIR/coracle).",
    completion: .directory)
  var run: String?

  @Option(
    help:
      "The settings (default: CORACLE_CONFIG, or /etc/coracle/config.json with ~/.config/coracle/config.json over it).",
    completion: .file())
  var config: String?
}

/// Runs asynchronous work from the main thread, which waits for it: it is none of the concurrency pool's.
private func awaitResult(_ work: @escaping @Sendable () async -> Int32) -> Int32 {
  let done = DispatchSemaphore(value: 0)
  nonisolated(unsafe) var result: Int32 = 1  // Written before the signal, read after the wait.
  Task {
    result = await work()
    done.signal()
  }
  done.wait()
  return result
}
