import Foundation
import Glibc
import RPCModel
import RPCTransport
import Synchronization

/// The client's one session with its service, and what all commands share.
final class REPLSession: Sendable {
  let terminal: Terminal
  let interrupts = Interrupts()
  let windowSizes = WindowSizes()
  let progress: ProgressDisplay
  let events: EventDisplay
  let started: StartedContainers
  let samples: SampleDisplay
  /// Whether standard input is the commands' to read, rather than where the commands come from.
  let ownsStandardInput: Bool
  let connection: ClientConnection
  /// The service's.
  let version: String
  /// Whether the service may be on another machine, whose files are not this one's.
  let isRemote: Bool
  private let process: ServiceProcess

  private init(
    terminal: Terminal, process: ServiceProcess, progress: ProgressDisplay, events: EventDisplay,
    started: StartedContainers, samples: SampleDisplay, ownsStandardInput: Bool, version: String,
    isRemote: Bool
  ) {
    self.version = version
    self.isRemote = isRemote
    self.terminal = terminal
    self.process = process
    self.connection = process.connection
    self.progress = progress
    self.events = events
    self.started = started
    self.samples = samples
    self.ownsStandardInput = ownsStandardInput
  }

  /// Starts a service and opens a session with it.
  ///
  /// - Parameter server: nil for the program of this machine.
  static func start(
    terminal: Terminal, server: ServerCommand?, locations: [String], ownsStandardInput: Bool
  ) async throws -> REPLSession {
    let environment = ProcessInfo.processInfo.environment
    let command = try server?.words ?? [environment["CORACLE"] ?? besideThis("coracle")]
    let progress = ProgressDisplay(terminal)
    let events = EventDisplay(terminal)
    let started = StartedContainers()
    let samples = SampleDisplay(terminal)
    let process = try ServiceProcess(
      command: command, arguments: locations + (server?.arguments ?? []),
      environment: environment.map { "\($0.key)=\($0.value)" }
    ) { notification in
      switch notification {
      case .taskStarted(let task): progress.start(task)
      case .taskProgressed(let task): progress.update(task)
      case .taskFinished(let task): progress.finish(task)
      case .eventOccurred(let event): events.show(event)
      case .eventEnded(let ended): events.end(ended)
      case .containerRunning(let running): started.add(running)
      case .containerStatsSampled(let sampled): samples.show(sampled)
      case .windowLogMessage(let message): terminal.note(message.message)
      default: break
      }
    } onEnd: {
      events.end()
    }
    let answer = try await process.initialize(
      ProgramInfo(name: "coracle-repl", version: nil), mayBeElsewhere: server != nil)
    return REPLSession(
      terminal: terminal, process: process, progress: progress, events: events, started: started,
      samples: samples, ownsStandardInput: ownsStandardInput, version: answer.serverInfo.version ?? "",
      isRemote: server != nil)
  }

  private static func besideThis(_ name: String) throws -> String {
    let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    let path = URL(filePath: own).deletingLastPathComponent().appending(path: name).path(
      percentEncoded: false)
    guard FileManager.default.isExecutableFile(atPath: path) else {
      throw RPCError(
        .notFound, "cannot find the program \(name)",
        hint: "install it beside this one, or name it in CORACLE")
    }
    return path
  }

  /// Sends a request and waits for its answer. Ctrl-C cancels it; the answer, which then says so, is awaited all the same.
  func request<Request: RPCRequest>(
    _ type: Request.Type, _ params: Request.Params, id: RequestID? = nil
  ) async throws -> Request.Result {
    let (task, begin) = prepare(type, params, id)
    return try await interrupts.handle {
      task.cancel()
    } during: {
      begin()
      return try await withTaskCancellationHandler {
        try await task.value
      } onCancel: {
        task.cancel()
      }
    }
  }

  /// A request that is sent with `begin`, so that somebody hears Ctrl-C by then.
  func prepare<Request: RPCRequest>(
    _ type: Request.Type, _ params: Request.Params, _ id: RequestID?
  ) -> (task: Task<Request.Result, any Error>, begin: @Sendable () -> Void) {
    let (begun, beginning) = AsyncStream.makeStream(of: Never.self)
    let task = Task {
      for await _ in begun {}
      return try await connection.send(type, params, id: id)
    }
    return (task, { beginning.finish() })
  }

  /// What a person waits for while a line is being edited; Ctrl-C and a service that takes long end the waiting.
  ///
  /// - Returns: nil when that was so. From a thread that is none of the concurrency pool's.
  func awaitShortly<Result: Sendable>(_ work: @escaping @Sendable () async -> Result) -> Result? {
    let over = DispatchSemaphore(value: 0)
    let result = SharedResult<Result>()
    let interrupt = interrupts.begin { over.signal() }
    let task = Task {
      let found = await work()
      result.value.withLock { $0 = found }
      over.signal()
    }
    _ = over.wait(timeout: .now() + 30)
    interrupts.end(interrupt)
    task.cancel()
    return result.value.withLock { $0 }
  }

  /// Ends session and service. One that does not end is killed in half a minute, and at once by Ctrl-C; containers of the
  /// session's go with it in any case.
  func end() async {
    let patience = Task { [process] in
      try await Task.sleep(for: .seconds(30))
      process.kill(SIGKILL)
    }
    defer { patience.cancel() }
    await interrupts.handle { [process] in
      process.kill(SIGKILL)
    } during: {
      _ = await process.stop()
    }
  }
}

private final class SharedResult<Value: Sendable>: Sendable {
  let value = Mutex<Value?>(nil)
}
