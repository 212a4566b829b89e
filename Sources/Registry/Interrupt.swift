import Synchronization

/// Tells the thread of a transfer, from any thread, to stop.
final class Interrupt: Sendable {
  private let flag = Atomic<Bool>(false)
  private let session = Mutex<CurlSession?>(nil)

  var isCancelled: Bool { flag.load(ordering: .relaxed) }

  /// Wakes the transfer's thread where it waits for the network.
  func cancel() {
    flag.store(true, ordering: .relaxed)
    // Under the lock, so that a session is never woken after its thread has given it back.
    session.withLock { $0?.wake() }
  }

  func attach(_ running: CurlSession) { session.withLock { $0 = running } }

  func detach() { session.withLock { $0 = nil } }
}
