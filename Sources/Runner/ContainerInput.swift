import CLinux
package import EngineErrors
import Glibc
import LinuxSystem
internal import SystemPackage

/// A writer to a container's standard input, through its shim's attach socket. Others may write at the same time.
///
/// Closing it, or the end of this service, leaves the container's standard input open.
package final class ContainerInput: Sendable {
  private let socket: FileDescriptor
  private let id: String

  init(socket: FileDescriptor, id: String) {
    self.socket = socket
    self.id = id
  }

  deinit { try? socket.close() }

  /// Writes all bytes, waiting while the container does not read.
  ///
  /// - Throws: `EngineError.conflict` if the container has closed its input or ended; `cancelled`, and then it is not known
  ///   how much was written, and the writer is of no more use.
  package func write(_ bytes: [UInt8]) async throws(EngineError) {
    try await sending { socket in
      var start = 0
      while start < bytes.count {
        let end = min(bytes.count, start + Int(CLINUX_ATTACH_PAYLOAD))
        try Self.send(socket, [UInt8(CLINUX_ATTACH_INPUT.rawValue)] + bytes[start..<end])
        start = end
      }
    }
  }

  /// Ends the container's standard input after what was written before, waiting while the container does not read.
  ///
  /// - Throws: as `write`.
  package func end() async throws(EngineError) {
    try await sending { try Self.send($0, [UInt8(CLINUX_ATTACH_END.rawValue)]) }
  }

  private func sending(_ body: @escaping @Sendable (FileDescriptor) throws -> Void) async throws(EngineError)
  {
    do {
      try await withTaskCancellationHandler {
        try await onBlockingThread("input") { [socket] in try body(socket) }
      } onCancel: {
        _ = shutdown(socket.rawValue, CInt(SHUT_RDWR))
      }
    } catch {
      if Task.isCancelled { throw .cancelled("writing to container \(id)") }
      throw closed(error)
    }
  }

  private static func send(_ socket: FileDescriptor, _ packet: [UInt8]) throws(SystemError) {
    try call("send") { clinux_send(socket.rawValue, packet, packet.count, 1) }
  }

  private func closed(_ error: any Error) -> EngineError {
    if let error = error as? SystemError, error.errno == .brokenPipe || error.errno == .connectionReset {
      return EngineError(
        .conflict, "cannot write to container \(id): its standard input is closed", subject: id)
    }
    return EngineError("write to container \(id)", wrapping: error, subject: id)
  }
}

extension Runner {
  /// Connects to a running container's standard input.
  ///
  /// - Throws: `EngineError.conflict` if it is not running, was not started with its input open, has closed it, or has too
  ///   many writers.
  package func attachInput(_ id: String) async throws(EngineError) -> ContainerInput {
    do {
      return ContainerInput(socket: try await attachSocket(id), id: id)
    } catch let error as SystemError
      where error.errno == .noSuchFileOrDirectory || error.errno == .connectionRefused
    {
      throw EngineError(
        .conflict, "cannot attach to container \(id): its standard input is closed", subject: id)
    } catch {
      throw EngineError("attach to container \(id)", wrapping: error, subject: id)
    }
  }

  /// Tells the terminal of a running container its size.
  ///
  /// - Throws: `EngineError.conflict` if it is not running or has no terminal.
  package func resize(_ id: String, rows: UInt16, columns: UInt16) async throws(EngineError) {
    do {
      var packet = [UInt8(CLINUX_ATTACH_RESIZE.rawValue)]
      for number in [rows, columns] { withUnsafeBytes(of: number) { packet.append(contentsOf: $0) } }
      try await sendOnce(packet, to: id)
    } catch let error as SystemError
      where error.errno == .noSuchFileOrDirectory || error.errno == .connectionRefused
    {
      throw EngineError(.conflict, "cannot resize container \(id): it has no terminal", subject: id)
    } catch {
      throw EngineError("resize the terminal of container \(id)", wrapping: error, subject: id)
    }
  }

  /// Sends one packet by a connection of its own. Where the shim has all the clients that it takes, the next one that comes
  /// drives out the one before it: who is driven out comes again.
  private func sendOnce(_ packet: [UInt8], to id: String) async throws {
    for _ in 0..<16 {
      let socket = try await attachSocket(id)
      let sent = clinux_send(socket.rawValue, packet, packet.count, 1)
      let error = Errno(rawValue: errno)
      // What was sent is read also after this end of the socket is gone.
      try? socket.close()
      if sent >= 0 { return }
      guard [.brokenPipe, .connectionReset].contains(error) else { throw SystemError("send", error) }
    }
    throw SystemError("send", .connectionReset)
  }

  /// The caller closes it.
  private func attachSocket(_ id: String) async throws -> FileDescriptor {
    switch try state(id) {
    case .running, .paused: break
    case .absent, .restarting, .exited, .lost: throw notRunning("attach to", id)
    }
    let directory = try FileDescriptor.open(
      directory(of: id), .readOnly, options: [.closeOnExec, .directory])
    defer { try? directory.close() }
    // By descriptor: a socket's address holds 107 bytes, and a run directory may be longer.
    let path = "/proc/self/fd/\(directory.rawValue)/\(RunFiles.attachSocket)"
    if let socket = try Self.connect(path, milliseconds: 0) { return socket }
    // The shim has not got round to those that came before.
    if let socket = try await onBlockingThread("attach", { try Self.connect(path, milliseconds: 5000) }) {
      return socket
    }
    throw EngineError(
      .conflict, "cannot attach to container \(id): its shim takes nobody more now", subject: id,
      hint: "end another attached session", retriable: true)
  }

  /// - Returns: nil where the other side has not taken it by then.
  private static func connect(_ path: String, milliseconds: CInt) throws(SystemError) -> FileDescriptor? {
    let socket = clinux_connect(path, milliseconds)
    if socket >= 0 { return FileDescriptor(rawValue: socket) }
    let error = Errno(rawValue: errno)
    if error == .resourceTemporarilyUnavailable { return nil }
    throw SystemError("connect", error, on: RunFiles.attachSocket.description)
  }

  /// Ends a running container's standard input.
  package func closeStdin(_ id: String) async throws(EngineError) {
    try await attachInput(id).end()
  }
}
