import CLinux
import Glibc
internal import SystemPackage

/// A thread of our own that blocking code can wait for.
package final class WorkerThread: Sendable {
  private let ended = Condition(false)

  /// Starts `body` at once.
  ///
  /// - Parameter name: shown for the thread by ps and debuggers; the first 15 bytes count.
  package init(_ name: String, _ body: @escaping @Sendable () -> Void) throws(SystemError) {
    let ended = ended
    try startThread(name) {
      body()
      ended.change { $0 = true }
    }
  }

  /// Blocks until the body has returned; may be called from several threads, and again.
  package func join() {
    ended.wait(until: { $0 }) { _ in }
  }
}

/// Starts a detached thread that runs `body`.
///
/// - Throws: `SystemError` from pthread_create(3); `body` has not run then.
func startThread(_ name: String, _ body: @escaping @Sendable () -> Void) throws(SystemError) {
  let start = Unmanaged.passRetained(ThreadStart(name: name, body: body))
  var thread = pthread_t()
  let failure = pthread_create(
    &thread, nil,
    { argument in
      guard let argument else { return nil }
      let start = Unmanaged<ThreadStart>.fromOpaque(argument).takeRetainedValue()
      clinux_name_thread(start.name)
      start.body()
      return nil
    }, start.toOpaque())
  guard failure == 0 else {
    start.release()
    throw SystemError("pthread_create", Errno(rawValue: failure), on: name)
  }
  pthread_detach(thread)
}

private final class ThreadStart: Sendable {
  let name: String
  let body: @Sendable () -> Void

  init(name: String, body: @escaping @Sendable () -> Void) {
    self.name = name
    self.body = body
  }
}
