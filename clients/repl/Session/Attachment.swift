import Foundation
import Glibc
import RPCModel
import RPCTransport

/// The terminal's streams as a request's: output to standard output and error, and standard input where wanted.
struct Attachment: Sendable {
  private static let window = 256 << 10
  private let stdout: StreamReceiver
  private let stderr: StreamReceiver
  private let stdin: StreamSender?
  private let connection: ClientConnection
  private let terminal: Terminal
  private let windowSizes: WindowSizes
  /// Whether the person's keys go to the container as they are.
  let isRaw: Bool
  /// Where input comes from and output goes to.
  private let descriptors: (input: CInt, output: CInt)
  /// Waits for whoever makes the input, and says what of it is missing.
  private let inputEnd: (@Sendable () async -> ErrorData?)?
  /// Whether output is worth nothing unless all of it is written.
  private let isArchive: Bool

  enum Output {
    case both
    /// A stream of bytes that are for no terminal.
    case archive
    /// The same, and text on standard error.
    case archiveBesideText
    case none
  }

  /// - Throws: when standard input is wanted and is where the commands come from; when an archive would go to a terminal.
  ///
  /// - Parameter tty: the other side is a terminal, which this one is then a window of.
  init(_ session: REPLSession, input: Bool, output: Output = .both, tty: Bool = false) throws {
    let isArchive = output == .archive || output == .archiveBesideText
    if isArchive, session.terminal.isOutputTerminal {
      throw RPCError(
        .invalidArgument, "an archive is not for a terminal",
        hint: "name a file with -o, or send it elsewhere")
    }
    self.isArchive = isArchive
    inputEnd = nil
    isRaw = input && tty && session.terminal.isInputTerminal
    descriptors = (STDIN_FILENO, STDOUT_FILENO)
    if input, !session.ownsStandardInput, !isRaw {
      throw RPCError(
        .invalidArgument, "standard input holds the commands: there is none to read",
        hint: "give the commands with -c or in a file")
    }
    connection = session.connection
    terminal = session.terminal
    windowSizes = session.windowSizes
    stdout = session.connection.receiver(credit: Self.window)
    stderr = session.connection.receiver(credit: Self.window)
    stdin = input ? session.connection.sender() : nil
    // Streams that no request names would never end.
    if output == .archive || output == .none { stderr.end(nil) }
    if output == .none { stdout.end(nil) }
  }

  /// A file's bytes as a request's stream.
  ///
  /// - Parameters:
  ///   - input: a descriptor that stays the caller's.
  ///   - output: likewise; one of the two.
  ///   - inputEnd: waits for whoever makes the input; what it answers with is sent in the place of a good end.
  init(
    _ session: REPLSession, input: CInt? = nil, output: CInt? = nil,
    inputEnd: (@Sendable () async -> ErrorData?)? = nil
  ) {
    isRaw = false
    isArchive = true
    self.inputEnd = inputEnd
    descriptors = (input ?? -1, output ?? -1)
    connection = session.connection
    terminal = session.terminal
    windowSizes = session.windowSizes
    stdout = session.connection.receiver(credit: Self.window)
    stderr = session.connection.receiver(credit: Self.window)
    stdin = input == nil ? nil : session.connection.sender()
    stderr.end(nil)
    if output == nil { stdout.end(nil) }
  }

  /// For a request that has one stream only.
  func closeUnused() { stderr.end(nil) }

  /// The same, of standard error.
  func closeOutput() { stdout.end(nil) }

  var archiveStream: (id: StreamID, credit: Int) { (stdout.id, Self.window) }

  var outputStreams: OutputStreams {
    OutputStreams(stdout: stdout.id, stderr: stderr.id, initialCredit: Self.window)
  }
  var inputStream: StreamID? { stdin?.id }

  /// Carries the streams while `body`, the request, is under way; returns when all output is written.
  ///
  /// - Throws: what `body` throws; when an archive cannot be written, which cancels the task that `body` runs in.
  ///
  /// - Parameters:
  ///   - detaching: the keys that end it, and what they do.
  ///   - window: what learns of another size of the terminal.
  func carry<Result: Sendable>(
    detaching: Detaching? = nil, window: Window? = nil,
    _ body: @escaping @Sendable () async throws -> Result
  ) async throws -> Result {
    let raw = isRaw ? RawTerminal(terminal) : nil
    defer { raw?.end() }
    if let window { windowSizes.onChange { [terminal] in window.resize(terminal.wireSize) } }
    defer { windowSizes.onChange(nil) }
    let input = stdin.map { InputPump(from: descriptors.input, to: $0, detaching, inputEnd) }
    defer {
      // It may wait for something to read, or for credit that nobody grants any more.
      input?.stop()
      if let stdin { connection.end(stdin) }
    }
    return try await withThrowingTaskGroup(of: Result?.self) { group in
      group.addTask { try await body() }
      group.addTask {
        try await copy(stdout, to: descriptors.output, mustBeWhole: isArchive)
        return nil
      }
      group.addTask {
        try await copy(stderr, to: STDERR_FILENO, mustBeWhole: false)
        return nil
      }
      defer {
        // A request that failed before it took the streams does not end them.
        stdout.end(nil)
        stderr.end(nil)
        group.cancelAll()
      }
      var result: Result?
      for try await found in group { result = found ?? result }
      guard let result else { throw CancellationError() }
      return result
    }
  }

  private func copy(_ stream: StreamReceiver, to descriptor: CInt, mustBeWhole: Bool) async throws {
    for await chunk in stream.chunks {
      // Where nobody reads what a container says there is nobody to tell either.
      if let error = terminal.write(chunk, to: descriptor), mustBeWhole {
        throw systemFailure("cannot write the archive", error)
      }
      stream.grant(chunk.count)
    }
  }
}

/// How a person leaves what has the terminal to itself.
struct Detaching: Sendable {
  var keys: DetachKeys
  var leave: @Sendable () -> Void

  /// What a request has started.
  static func leaving(_ request: RequestID, _ keys: DetachKeys, _ session: REPLSession) -> Detaching {
    Detaching(keys: keys) {
      Task { try? await session.connection.send(ContainerDetach.self, .init(request: request)) }
    }
  }
}

/// Reads a descriptor on a thread of its own, until its end or until it is told to stop.
final class InputPump: Sendable {
  private let stopping: CInt

  /// - Parameter end: waits for whoever makes the input, after its last byte, and says what of it is missing.
  init(
    from source: CInt, to sender: StreamSender, _ detaching: Detaching? = nil,
    _ end: (@Sendable () async -> ErrorData?)? = nil
  ) {
    guard let pipe = makePipe() else {
      stopping = -1
      return
    }
    stopping = pipe.write
    let stopped = pipe.read
    // The caller may close its own while this thread is on its way to its end.
    let source = fcntl(source, F_DUPFD_CLOEXEC, 0)
    Thread.detachNewThread {
      var keys = detaching?.keys
      var buffer = [UInt8](repeating: 0, count: 32 << 10)
      defer {
        close(stopped)
        close(source)
      }
      while true {
        var sources = [
          pollfd(fd: source, events: Int16(POLLIN), revents: 0),
          pollfd(fd: stopped, events: Int16(POLLIN), revents: 0),
        ]
        if poll(&sources, 2, -1) < 0, errno == EINTR { continue }
        if sources[1].revents != 0 { return }
        let count = read(source, &buffer, buffer.count)
        let error = count < 0 ? errno : 0
        if error == EINTR { continue }
        let typed = Array(buffer.prefix(max(0, count)))
        let found = typed.isEmpty ? nil : keys?.take(typed)
        if let found, found.isDetached {
          // What was typed before the keys is the container's all the same; one that takes no input is left without it.
          _ = awaitResult { await sender.send(found.forContainer, takenWithin: .seconds(10)) }
          detaching?.leave()
          return
        }
        let bytes = found?.forContainer ?? typed
        if bytes.isEmpty, !typed.isEmpty { continue }
        let goesOn = awaitResult {
          guard !bytes.isEmpty else {
            // A terminal that has gone away is the end of what was typed.
            let unread =
              error == 0 || isatty(source) == 1
              ? nil : systemFailure("cannot read the whole input", error).data
            await sender.close(error: await end?() ?? unread)
            return false
          }
          return (try? await sender.send(bytes)) ?? false
        }
        if !goesOn { return }
      }
    }
  }

  /// Leaves what was not read to the next reader.
  func stop() { if stopping >= 0 { close(stopping) } }
}
