package import EngineErrors
import LinuxSystem
import Synchronization
package import SystemPackage

/// Bridges, containers' interfaces and the firewall, in one network namespace of the host's: the service's own, or the one that
/// an ordinary user's services share.
///
/// All happens on one thread that is in that namespace, in turn. What it is asked for is made as the plan says wherever it is
/// not so yet: after a crash, asking again is the repair.
package final class HostNetwork: Sendable {
  private let thread = QueueThread("network")
  private let place: (@Sendable () throws -> FileDescriptor)?
  private let session = Mutex<Session?>(nil)

  /// What the thread has opened. Used by the thread alone.
  final class Session: @unchecked Sendable {
    /// The namespace that the thread is in.
    let home: FileDescriptor
    /// Whether a program is the way to the outside: so with a namespace of an ordinary user's.
    let isRelayed: Bool
    let routes: RouteSocket
    private var openFirewall: Firewall?

    /// - Parameter place: opens the namespace; nil for the one that the thread is in.
    init(_ place: (() throws -> FileDescriptor)?) throws {
      home = try place?() ?? NetworkNamespace.current()
      isRelayed = place != nil
      // Into the host's an ordinary user's process cannot go, but it is there.
      if place != nil { try NetworkNamespace.enter(home) }
      routes = try RouteSocket()
    }

    deinit { try? home.close() }

    /// Opened when it is first needed.
    func firewall() throws -> Firewall {
      if let openFirewall { return openFirewall }
      let firewall = try Firewall()
      openFirewall = firewall
      return firewall
    }
  }

  /// - Parameter place: opens the namespace, when it is first needed; that of the service when nil.
  package init(place: (@Sendable () throws -> FileDescriptor)? = nil) {
    self.place = place
  }

  /// Looks whether the libraries are there that networks need.
  ///
  /// - Throws: `unsupported` with what is missing.
  package static func check() throws { try NFTables.check() }

  /// Runs `body` on the thread.
  ///
  /// - Parameter operation: for the error, as `make bridge cor-1`.
  func run<T: Sendable>(
    _ operation: String, _ body: @escaping @Sendable (Session) throws -> T
  ) async throws(EngineError) -> T {
    do {
      return try await thread.run { [self] in
        if let session = session.withLock({ $0 }) { return try body(session) }
        let fresh = try Session(place)
        session.withLock { $0 = fresh }
        return try body(fresh)
      }
    } catch {
      throw Self.error(operation, error)
    }
  }

  private static func error(_ operation: String, _ error: any Error) -> EngineError {
    guard let refusal = error as? NetlinkRefusal else { return EngineError(operation, wrapping: error) }
    return refusal.engineError
  }

  /// Forgets what the thread has opened: the namespace has gone, and another has taken its place.
  package func reopen() { session.withLock { $0 = nil } }
}
