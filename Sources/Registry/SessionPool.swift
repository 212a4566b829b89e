import Synchronization

/// Idle sessions, kept for the connections they hold.
final class SessionPool: Sendable {
  private struct Idle {
    var session: CurlSession
    var since: ContinuousClock.Instant
  }

  /// As many as layers are usually fetched at once.
  private static let capacity = 8
  /// Servers close idle connections themselves after a minute or so.
  private static let idleLimit: Duration = .seconds(50)

  private let idle = Mutex<[Idle]>([])

  /// The session that was used last for the origin, else any idle one, else a new one.
  func take(for origin: String) throws -> CurlSession {
    let found = idle.withLock { idle -> CurlSession? in
      let now = ContinuousClock.now
      idle.removeAll { $0.since.duration(to: now) > Self.idleLimit }
      let index = idle.lastIndex { $0.session.lastOrigin == origin } ?? idle.indices.last
      return index.map { idle.remove(at: $0).session }
    }
    return try found ?? CurlSession()
  }

  func give(_ session: CurlSession) {
    idle.withLock { idle in
      idle.append(Idle(session: session, since: .now))
      if idle.count > Self.capacity { idle.removeFirst() }
    }
  }

  func closeAll() { idle.withLock { $0 = [] } }
}
