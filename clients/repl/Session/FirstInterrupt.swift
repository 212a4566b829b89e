import Synchronization

/// Tells the first Ctrl-C from those that follow.
final class FirstInterrupt: Sendable {
  private let came = Mutex(false)

  func isFirst() -> Bool {
    came.withLock { came in
      defer { came = true }
      return !came
    }
  }
}
