internal import Glibc
internal import SystemPackage

/// Runs `body`, which may block, on a thread of its own and waits for it without holding a thread of the
/// cooperative pool.
///
/// The body is not interrupted when the waiting task is cancelled.
///
/// - Parameter name: shown for the thread by ps and debuggers; the first 15 bytes count.
/// - Throws: what `body` throws, or `SystemError` from pthread_create(3).
package func onBlockingThread<T: Sendable>(
  _ name: String, _ body: @escaping @Sendable () throws -> T
) async throws -> T {
  try await withCheckedThrowingContinuation { continuation in
    let work = ThreadWork(name: name) { continuation.resume(with: Result { try body() }) }
    var thread = pthread_t()
    let failure = pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { return nil }
        let work = Unmanaged<ThreadWork>.fromOpaque(argument).takeRetainedValue()
        work.run()
        return nil
      }, Unmanaged.passRetained(work).toOpaque())
    guard failure == 0 else {
      Unmanaged.passUnretained(work).release()
      continuation.resume(throwing: SystemError("pthread_create", Errno(rawValue: failure), on: name))
      return
    }
    pthread_detach(thread)
  }
}

private final class ThreadWork: Sendable {
  let name: String
  let run: @Sendable () -> Void

  init(name: String, run: @escaping @Sendable () -> Void) {
    self.name = name
    self.run = run
  }
}
