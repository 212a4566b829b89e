import ArgumentParser
import Foundation
import RPCModel

/// What `run` and `create` say of a new container.
struct CreationOptions: ParsableArguments, Sendable {
  @Option(help: "Its name; a generated one when absent.") var name: String?
  @Option(name: [.customShort("e"), .long], help: "A variable, NAME=value, or NAME for this one's own.")
  var env: [String] = []
  @Option(name: [.customShort("w"), .long], help: "The working directory.") var workdir: String?
  @Option(name: [.customShort("u"), .long], help: "user[:group], by name or number.") var user: String?
  @Option(help: "Its host name.") var hostname: String?
  @Option(help: "Replaces the image's program.") var entrypoint: String?
  @Option(help: "A label, name=value.") var label: [String] = []
  @Option(help: "What `stop` sends first.") var stopSignal: String?
  @Option(help: "Seconds until `stop` kills.") var stopTimeout: Double?
  @Flag(name: .customLong("rm"), help: "Remove it when it exits.") var remove = false
  @Flag(name: [.customShort("i"), .long], help: "Keep its standard input open.") var interactive = false
  @Flag(name: [.customShort("t"), .long], help: "Give it a terminal.") var tty = false
  @Option(help: "How many bytes of its log are one part; the oldest part goes first.") var logBytes: Int?
  @Option(help: "How many such parts are kept.") var logFiles: Int?
  @Flag(help: "Make its root file system read-only.") var readOnly = false
  @Flag(help: "Let set-user-id programs gain nothing.") var noNewPrivileges = false
  @OptionGroup var ports: PortOptions
  @OptionGroup var networks: NetworkOptions
  @OptionGroup var life: LifeOptions
  @OptionGroup var isolation: IsolationOptions
  @OptionGroup var limits: LimitOptions
  @OptionGroup var processLimits: ProcessLimitOptions
  @Argument(help: "The image.") var image: String
  @Argument(parsing: .captureForPassthrough, help: "The command, instead of the image's.") var command:
    [String] = []

  var stopTimeoutMs: Int? { get throws { try milliseconds(stopTimeout, "--stop-timeout") } }

  var wire: ContainerCreation {
    get throws {
      var creation = try basics
      try networks.apply(to: &creation)
      try ports.apply(to: &creation)
      // Without a network of its own there would be nothing to lead to.
      if creation.ports != nil || creation.publishExposed == true, creation.network == nil,
        creation.networks == nil
      {
        creation.network = .bridge
      }
      try life.apply(to: &creation)
      try isolation.apply(to: &creation)
      creation.limits = try limits.wire
      processLimits.apply(to: &creation)
      if tty { creation.tty = true }
      if logBytes != nil || logFiles != nil {
        creation.logLimits = .init(fileBytes: logBytes, files: logFiles)
      }
      return creation
    }
  }

  private var basics: ContainerCreation {
    get throws {
      ContainerCreation(
        image: image, name: name, command: command.isEmpty ? nil : command,
        entrypoint: entrypoint.map { [$0] },
        environment: env.isEmpty ? nil : try assignments(env), workingDirectory: workdir, user: user,
        hostname: hostname, opensStdin: interactive,
        labels: label.isEmpty ? nil : try assignments(label), stopSignal: stopSignal,
        stopTimeoutMs: try stopTimeoutMs,
        autoRemove: remove, readOnlyRoot: readOnly, noNewPrivileges: noNewPrivileges)
    }
  }
}

struct Run: REPLCommand {
  static let configuration = CommandConfiguration(
    abstract: "Start a container from an image and show its output.",
    discussion: """
      Ctrl-C sends it SIGINT, as a terminal does; a second one stops it: its stop signal, and SIGKILL after its stop \
      timeout. With -it, the keys go to its terminal, Ctrl-C too, and ctrl-p ctrl-q leaves it running. The status is that \
      of its process.
      """)
  static var completesInOrder: [[NameKind]]? { [[.images]] }
  @Flag(name: .shortAndLong, help: "Say its name when it has started, and show nothing.") var detach = false
  @Option(help: "The keys that leave it running.") var detachKeys = DetachKeys.standard
  @OptionGroup var options: CreationOptions

  func run(_ session: REPLSession) async throws -> Int32 {
    let keys = try DetachKeys(detachKeys)
    var params = ContainerRun.Params(try options.wire)
    if detach {
      params.detach = true
      let answer = try await session.request(ContainerRun.self, params)
      if session.terminal.isJSON {
        session.terminal.printJSON(answer)
      } else {
        session.terminal.print(answer.container.name)
        session.note(answer.warnings)
      }
      return 0
    }
    let attachment = try Attachment(session, input: options.interactive, tty: options.tty)
    params.streams = attachment.outputStreams
    params.stdin = attachment.inputStream
    if options.tty { params.terminalSize = session.terminal.wireSize }
    let id = session.connection.newRequestID()
    let answer = try await attachment.carry(
      detaching: attachment.isRaw ? .leaving(id, keys, session) : nil,
      window: options.tty ? .started(session) : nil
    ) { [params] in
      try await session.attachedRequest(ContainerRun.self, params, id: id)
    }
    if !session.terminal.isJSON { session.note(answer.warnings) }
    if answer.exit == nil { return session.detached(container: answer.container.name) }
    return session.report(answer.exit, of: answer.container)
  }
}

struct Create: REPLCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make a container from an image without starting it.")
  static var completesInOrder: [[NameKind]]? { [[.images]] }
  @OptionGroup var options: CreationOptions

  func run(_ session: REPLSession) async throws -> Int32 {
    let answer = try await session.request(ContainerCreate.self, .init(options.wire))
    if session.terminal.isJSON {
      session.terminal.printJSON(answer)
    } else {
      session.terminal.print(answer.container.name)
      session.note(answer.warnings)
    }
    return 0
  }
}

extension REPLSession {
  /// A request whose container has the terminal: the first Ctrl-C is a signal to it, the second cancels.
  func attachedRequest<Request: RPCRequest>(
    _ type: Request.Type, _ params: Request.Params, id: RequestID
  ) async throws -> Request.Result {
    let (task, begin) = prepare(type, params, id)
    let interrupt = FirstInterrupt()
    return try await interrupts.handle { [self] in
      guard let container = started.current, interrupt.isFirst() else { return task.cancel() }
      Task {
        try? await self.connection.send(ContainerKill.self, .init(container: container.id, signal: "SIGINT"))
      }
    } during: {
      begin()
      return try await task.value
    }
  }

  /// Says that a container was left to itself.
  func detached(container: String) -> Int32 {
    detached("left \(container) running; `attach` comes back to it")
  }

  func detached(_ message: String) -> Int32 {
    if terminal.isErrorTerminal {
      // The container's line is not at its end.
      terminal.note("")
      terminal.note(terminal.notes.dim(message))
    }
    return 0
  }

  /// Says how a container ended where it did not end well, and gives its status.
  func report(_ exit: ExitStatus?, of container: ContainerSummary?) -> Int32 {
    guard let exit else { return 0 }
    if terminal.isJSON {
      terminal.printJSON(exit)
    } else if exit.code != 0, terminal.isInputTerminal, terminal.isErrorTerminal {
      let name = container?.name ?? "the process"
      let reason = exit.signal.map { "was ended by \($0)" } ?? "exited with \(exit.code)"
      terminal.note(terminal.notes.dim("\(name) \(reason)\(exit.lost ? ", with its shim" : "")"))
    }
    return Int32(clamping: exit.code)
  }
}
