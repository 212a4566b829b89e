import CLinux
import Glibc
import Synchronization

/// A thread of our own that runs blocking work in turn.
///
/// For what is done often and is short: `onBlockingThread` starts a thread each time, which costs a fraction of a
/// millisecond. The thread starts with the first work and ends with this value, after the work that was given.
package final class QueueThread: Sendable {
  private typealias Work = @Sendable () -> Void
  private struct State {
    var queue: [Work] = []
    var isOver = false
    var isRunning = false
  }
  /// What the thread holds, and not this value itself, so that this can end.
  private final class Core: Sendable {
    let state = Mutex(State())
    let wake: CInt = clinux_eventfd()
    deinit { close(wake) }
  }
  private let core = Core()
  private let name: String
  private let niceness: CInt

  /// - Parameter niceness: above 0 for what nobody waits for; the threads of requests go before it then (setpriority(2)).
  package init(_ name: String, niceness: CInt = 0) {
    self.name = name
    self.niceness = niceness
  }

  deinit {
    core.state.withLock { $0.isOver = true }
    clinux_eventfd_wake(core.wake)
  }

  /// Runs `body` on the thread, after what was given before, and waits for its result.
  package func run<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
    try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<T, any Error>) in
      do throws(SystemError) {
        try add { continuation.resume(with: Result { try body() }) }
      } catch {
        continuation.resume(throwing: error)
      }
    }
  }

  /// Runs `body` on the thread, after what was given before. Does not wait.
  package func add(_ body: @escaping @Sendable () -> Void) throws(SystemError) {
    let failure = core.state.withLock { state -> SystemError? in
      if !state.isRunning {
        do throws(SystemError) {
          try startThread(name) { [core, niceness] in
            // Of this thread alone, in spite of the name.
            if niceness > 0 { setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, niceness) }
            Self.loop(core)
          }
          state.isRunning = true
        } catch {
          return error
        }
      }
      state.queue.append(body)
      return nil
    }
    if let failure { throw failure }
    clinux_eventfd_wake(core.wake)
  }

  private static func loop(_ core: Core) {
    while true {
      let (work, isOver) = core.state.withLock { state in
        defer { state.queue = [] }
        return (state.queue, state.isOver)
      }
      for body in work { body() }
      if !work.isEmpty { continue }
      if isOver { return }
      clinux_eventfd_wait(core.wake)
    }
  }
}
