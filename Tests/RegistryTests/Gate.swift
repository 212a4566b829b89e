import Glibc
import Synchronization

/// Holds a thread until a test lets it go.
final class Gate: Sendable {
  private struct State {
    var isOpen = false
    var count = 0
  }

  private let state = Mutex(State())
  private let condition = Semaphore()
  /// Has an element for each thread that came to wait.
  let entered: AsyncStream<Void>
  private let enters: AsyncStream<Void>.Continuation

  init() { (entered, enters) = AsyncStream.makeStream() }

  var isOpen: Bool { state.withLock { $0.isOpen } }
  var count: Int { state.withLock { $0.count } }

  func wait() {
    state.withLock { $0.count += 1 }
    enters.yield()
    condition.wait()
  }

  func open() {
    state.withLock { $0.isOpen = true }
    condition.post()
  }
}

/// `@unchecked Sendable`: sem_t is made for several threads.
private final class Semaphore: @unchecked Sendable {
  private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

  init() { sem_init(semaphore, 0, 0) }

  deinit {
    sem_destroy(semaphore)
    semaphore.deallocate()
  }

  func wait() { while sem_wait(semaphore) == -1 {} }
  func post() { sem_post(semaphore) }
}
