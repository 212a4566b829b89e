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
  private let socket: FileDescriptor
  private let agent: FilePath
  /// Those that are open; nil when it is over.
  private let connections = Mutex<Set<FileDescriptor>?>([])

  /// - Parameter place: where nothing is yet.
  init(at place: FilePath, to agent: FilePath, owner: (user: UInt32, group: UInt32), mode: UInt32) throws {
    self.agent = agent
    socket = try listenStream(place, owner: owner.user, group: owner.group, mode: mode)
  }

  /// Serves until `stop`, on threads of its own.
  func start() throws {
    _ = try WorkerThread("ssh-agent") { [self] in
      while let client = try? acceptStream(socket) {
        guard let server = try? connectStream(agent), begin(client, server) else {
          try? client.close()
          continue
        }
      }
      try? socket.close()
    }
  }

  /// Ends all that goes over it.
  func stop() {
    connections.withLock { connections in
      // Still open: who closes one takes it out first.
      for connection in connections ?? [] { shutdown(connection.rawValue, CInt(SHUT_RDWR)) }
      connections = nil
    }
    shutdown(socket.rawValue, CInt(SHUT_RDWR))
  }

  /// - Returns: whether both are somebody's now.
  private func begin(_ client: FileDescriptor, _ server: FileDescriptor) -> Bool {
    let isOpen = connections.withLock { connections in
      connections?.formUnion([client, server])
      return connections != nil
    }
    let thread =
      isOpen
      ? try? WorkerThread("ssh-agent") { [self] in
        Self.relay(client, server)
        close(client, server)
      } : nil
    if thread == nil {
      connections.withLock { _ = $0?.subtract([client, server]) }
      try? server.close()
    }
    return thread != nil
  }

  private func close(_ client: FileDescriptor, _ server: FileDescriptor) {
    connections.withLock { _ = $0?.subtract([client, server]) }
    try? client.close()
    try? server.close()
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
