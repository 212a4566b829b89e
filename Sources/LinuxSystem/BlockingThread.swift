/// Runs `body`, which may block, on a thread of its own and waits for it without holding a thread of the
/// cooperative pool.
///
/// The body is not interrupted when the waiting task is cancelled: what has to stop early is told so by
/// its own means (`withTaskCancellationHandler` round this call).
///
/// - Parameter name: shown for the thread by ps and debuggers; the first 15 bytes count.
/// - Throws: what `body` throws, or `SystemError` from pthread_create(3).
package func onBlockingThread<T: Sendable>(
  _ name: String, _ body: @escaping @Sendable () throws -> T
) async throws -> T {
  try await withCheckedThrowingContinuation { continuation in
    do {
      try startThread(name) { continuation.resume(with: Result { try body() }) }
    } catch {
      continuation.resume(throwing: error)
    }
  }
}
