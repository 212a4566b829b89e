import LinuxSystem
public import RPCModel
import SystemPackage

/// A `coracle serve` that this process has started, and the connection to it.
///
/// The service leads a session of its own: a terminal's Ctrl-C reaches the client alone. Its standard error is the
/// client's. It ends with its input, so it does not outlive a client that dies.
public final class ServiceProcess: Sendable {
  public let connection: ClientConnection
  public let pid: Int32
  private let process: ProcessDescriptor

  /// Starts a service; it has been told nothing yet.
  ///
  /// - Parameters:
  ///   - command: the path of `coracle`, or of a program that runs it, such as ssh, with its arguments up to and with
  ///     `coracle`.
  ///   - arguments: behind `serve`; `--framing` is this one's to add.
  ///   - environment: as `NAME=value`.
  ///   - onNotification: see `ClientConnection`, as for `onEnd`.
  /// - Throws: when the program cannot be started.
  public init(
    command: [String], arguments: [String], environment: [String], framing: Framing = .contentLength,
    onNotification: @escaping @Sendable (ServerNotification) -> Void = { _ in },
    onEnd: @escaping @Sendable () -> Void = {}
  ) throws {
    let input = try makePipe()
    let output: (read: FileDescriptor, write: FileDescriptor)
    do { output = try makePipe() } catch {
      try? input.read.close()
      try? input.write.close()
      throw error
    }
    defer {
      try? input.read.close()
      try? output.write.close()
    }
    do {
      pid = try spawn(
        FilePath(command.first ?? "coracle"),
        arguments: command + ["serve", "--framing", framing.rawValue] + arguments,
        environment: environment, descriptors: [input.read, output.write, .standardError])
      process = try ProcessDescriptor(pid: pid)
    } catch {
      try? input.write.close()
      try? output.read.close()
      throw error
    }
    connection = ClientConnection(
      MessageChannel(input: output.read, output: input.write, framing: framing),
      onNotification: onNotification, onEnd: onEnd)
  }

  /// Opens the session.
  ///
  /// - Parameter mayBeElsewhere: whether the service may see other processes than this one, as on a machine behind ssh: this
  ///   one's number would mean another there, or none.
  /// - Throws: `RPCError` with the reason when the service cannot open its store.
  public func initialize(_ client: ProgramInfo, mayBeElsewhere: Bool = false) async throws
    -> Initialize.Result
  {
    let result = try await connection.send(
      Initialize.self,
      .init(processId: mayBeElsewhere ? nil : Int(getProcessID()), clientInfo: client))
    connection.notifyService(InitializedNotification())
    return result
  }

  /// Ends the session in order and waits for the service's end; does nothing to containers.
  ///
  /// - Returns: the service's exit code; 128 and the signal's number where one ended it.
  public func stop() async -> Int32 {
    _ = try? await connection.send(Shutdown.self, .init())
    connection.notifyService(ExitNotification())
    connection.close()
    return await waitForExit()
  }

  /// Waits for the service's end, which something else brings about.
  public func waitForExit() async -> Int32 {
    let status = try? await onBlockingThread("service-wait") { [process] in try process.reap() }
    return status?.exitCode ?? 1
  }

  /// Ends the service with a signal.
  public func kill(_ signal: Int32) { try? process.signal(signal) }
}
