import EngineErrors

/// Runs `body`, and cancels it when it takes longer than `timeout`.
///
/// - Throws: `error` when the time is over; what `body` throws otherwise. Returns only when `body` has ended.
func withDeadline<Result: Sendable>(
  _ timeout: Duration, _ error: EngineError, _ body: @escaping @Sendable () async throws -> Result
) async throws -> Result {
  try await withThrowingTaskGroup(of: Result?.self) { group in
    group.addTask { try await body() }
    group.addTask {
      try await Task.sleep(for: timeout)
      return nil
    }
    defer { group.cancelAll() }
    guard let first = try await group.next(), let result = first else { throw error }
    return result
  }
}
