import Synchronization

/// What registries have accepted and will accept again: tokens that are still good, and passwords.
final class TokenCache: Sendable {
  struct Key: Hashable {
    var origin: String
    var scope: String
  }

  private struct Entry {
    var authorization: Authorization
    var until: ContinuousClock.Instant
  }

  /// More repositories than one client talks to within a token's life.
  private static let capacity = 256

  private let entries = Mutex<[Key: Entry]>([:])

  func authorization(for key: Key) -> Authorization {
    entries.withLock { entries in
      guard let entry = entries[key], entry.until > .now else { return .anonymous }
      return entry.authorization
    }
  }

  /// Forgets all, for when somebody has become somebody else.
  func clear() { entries.withLock { $0 = [:] } }

  /// - Parameter seconds: the life the token server states; a minute where it states none, as the specification says.
  func keep(_ authorization: Authorization, for key: Key, seconds: Int?) {
    // A tenth less, since the server counts from before the answer arrived.
    let life = Duration.seconds(min(max(seconds ?? 60, 10), 3600)) * 0.9
    entries.withLock { entries in
      if entries.count >= Self.capacity { entries = [:] }
      entries[key] = Entry(authorization: authorization, until: .now + life)
    }
  }
}
