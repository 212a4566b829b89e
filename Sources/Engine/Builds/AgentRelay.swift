import EngineErrors
import Glibc
import LinuxSystem
import Synchronization
import SystemPackage

/// A socket of a RUN's behind which an SSH agent of the host's answers.
///
/// Agents speak to nobody but their own user and root: so it is this process that speaks to them, and the socket is whose the RUN
/// wants it to be. The agent's is looked up at each connection, since it may listen anew at any time.
final class AgentRelay: Sendable {
  private struct State {
    /// Who uses it does so while it is here, and who takes it out closes it: its number may be another file's then.
    var socket: FileDescriptor?
    /// Those that are open; nil when it is over.
    var connections: Set<FileDescriptor>? = []
  }
  private let state: Mutex<State>
  private let agent: FilePath

  /// - Parameter place: where nothing is yet.
  init(at place: FilePath, to agent: FilePath, owner: (user: UInt32, group: UInt32), mode: UInt32) throws {
    self.agent = agent
    state = Mutex(State(socket: try listenStream(place, owner: owner.user, group: owner.group, mode: mode)))
  }

  /// Serves until `stop`, on threads of its own.
  func start() throws {
    guard let socket = state.withLock({ $0.socket }) else { return }
    do {
      _ = try WorkerThread("ssh-agent") { [self] in
        accept(on: socket)
        closeSocket()
      }
    } catch {
      closeSocket()
      throw error
    }
  }

  /// Ends all that goes over it.
  func stop() {
    state.withLock { state in
      // Still open: who closes one takes it out first.
      for connection in state.connections ?? [] { shutdown(connection.rawValue, CInt(SHUT_RDWR)) }
      state.connections = nil
      if let socket = state.socket { shutdown(socket.rawValue, CInt(SHUT_RDWR)) }
    }
  }

  private var isOver: Bool { state.withLock { $0.connections == nil } }

  private func closeSocket() {
    state.withLock { state in
      try? state.socket?.close()
      state.socket = nil
    }
  }

  private func accept(on socket: FileDescriptor) {
    while !isOver {
      do { begin(try acceptStream(socket)) } catch {
        // Of a client that has gone already the next one knows nothing, and files may be closed again.
        switch error.errno {
        case .connectionAbort: continue
        case .tooManyOpenFiles, .tooManyOpenFilesInSystem, .noMemory: Self.pause()
        default: return
        }
      }
    }
  }

  private static func pause() { usleep(50_000) }

  private func begin(_ client: FileDescriptor) {
    guard add(client),
      (try? WorkerThread(
        "ssh-agent",
        { [self] in
          if let server = connect(for: client) {
            Self.relay(client, server)
            remove(server)
          }
          remove(client)
        })) != nil
    else { return remove(client) }
  }

  /// - Returns: whether it is not over.
  private func add(_ connection: FileDescriptor) -> Bool {
    state.withLock { state in
      state.connections?.insert(connection)
      return state.connections != nil
    }
  }

  private func remove(_ connection: FileDescriptor) {
    state.withLock { _ = $0.connections?.remove(connection) }
    try? connection.close()
  }

  /// Nil where there is no agent, and where the client or the relay ends before one that is busy takes the connection.
  private func connect(for client: FileDescriptor) -> FileDescriptor? {
    while !isOver {
      do {
        let server = try connectStream(agent, waits: false)
        if add(server) { return server }
        remove(server)
      } catch {
        var end = pollfd(fd: client.rawValue, events: 0, revents: 0)
        guard error.errno == .resourceTemporarilyUnavailable, poll(&end, 1, 0) == 0 else { return nil }
        Self.pause()
      }
    }
    return nil
  }

  /// Passes on what either says until one of them has ended: agents and their clients take turns.
  private static func relay(_ client: FileDescriptor, _ server: FileDescriptor) {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 16 << 10, alignment: 16)
    defer { buffer.deallocate() }
    var ends = [client, server].map { pollfd(fd: $0.rawValue, events: Int16(POLLIN), revents: 0) }
    while true {
      guard poll(&ends, 2, -1) > 0 || errno == EINTR else { return }
      for (end, other) in [(0, server), (1, client)] where ends[end].revents != 0 {
        let from = FileDescriptor(rawValue: ends[end].fd)
        guard let count = try? from.read(into: buffer), count > 0,
          (try? other.writeFully(UnsafeRawBufferPointer(rebasing: buffer[..<count]))) != nil
        else { return }
      }
    }
  }
}
