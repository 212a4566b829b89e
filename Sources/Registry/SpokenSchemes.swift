import Synchronization

/// Which insecure servers have turned out to know TLS, and which have not.
///
/// A server that was once spoken to in one of the two is asked in that alone: a server with TLS that has a bad moment is no
/// server without it, and what it would say to plain HTTP is nothing about the request.
final class SpokenSchemes: Sendable {
  private let isPlain = Mutex<[String: Bool]>([:])

  /// Runs `attempt` at a root in HTTPS, and at the same in plain HTTP where no TLS is understood there.
  ///
  /// - Parameter plain: nil where plain HTTP is out of the question.
  /// - Throws: what `attempt` throws at the root that the server understands; that of HTTPS where it understands neither.
  func ask<Result>(
    _ root: WebAddress, orPlain plain: WebAddress?, _ attempt: (WebAddress) async throws -> Result
  ) async throws -> Result {
    guard let plain else { return try await attempt(root) }
    if let isPlain = isPlain.withLock({ $0[root.origin] }) {
      return try await attempt(isPlain ? plain : root)
    }
    func keep(_ value: Bool) { isPlain.withLock { $0[root.origin] = value } }
    do {
      let result = try await attempt(root)
      keep(false)
      return result
    } catch let failure as TransferFailure {
      guard failure.mayBeForLackOfTLS, !Task.isCancelled else {
        if failure.isFromServer { keep(false) }
        throw failure
      }
      do {
        let result = try await attempt(plain)
        keep(true)
        return result
      } catch let other as TransferFailure {
        // A server with TLS answers 400 to plain HTTP.
        guard other.isFromServer, !other.isBadRequest else { throw failure }
        if case .insecure = failure { keep(true) }
        throw other
      }
    }
  }
}

extension TransferFailure {
  fileprivate var mayBeForLackOfTLS: Bool {
    switch self {
    // Also of another port, where none is named.
    case .insecure, .connectTimedOut, .refused: true
    default: false
    }
  }

  /// Whether the connection was made, and the server understood.
  fileprivate var isFromServer: Bool {
    switch self {
    case .status, .unusable, .malformed, .redirect, .broken, .stalled: true
    case .badAddress, .unresolved, .refused, .insecure, .connectTimedOut: false
    }
  }

  fileprivate var isBadRequest: Bool {
    if case .status(let response) = self { response.head.status == 400 } else { false }
  }
}
