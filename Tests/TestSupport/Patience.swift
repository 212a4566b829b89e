package import Testing

/// How long tests wait for what comes at once on a machine that has nothing else to do. Nothing is measured by it: it only lets
/// a run fail, by name, that would not end otherwise. No `.timeLimit` does, which counts the wait for a place too (`TestPlaces`).
package enum Patience {
  /// For one thing that a service, a peer or a program does.
  package static let wait = Duration.seconds(300)
  /// For a whole program, such as an editor's tests or a debootstrap.
  package static let program = Duration.seconds(900)
  /// For all that a test does with its store.
  package static let test = Duration.seconds(1200)
}

/// Waits for `body`, but no longer than `limit`, nor longer than the caller's task is wanted; `body` is cancelled then, and left
/// behind where it does not heed that.
///
/// - Throws: what `body` throws, and `OutOfPatience`.
package func withPatience<Result: Sendable>(
  _ limit: Duration, _ body: @escaping @Sendable () async throws -> Result
) async throws -> Result {
  // Not a task group, which would wait for `body` in any case.
  let (outcomes, outcome) = AsyncStream<Swift.Result<Result, any Error>>.makeStream()
  let work = Task {
    do { outcome.yield(.success(try await body())) } catch { outcome.yield(.failure(error)) }
  }
  let watch = Task {
    try await Task.sleep(for: limit)
    outcome.yield(.failure(OutOfPatience(limit: limit)))
  }
  defer {
    work.cancel()
    watch.cancel()
  }
  for await outcome in outcomes { return try outcome.get() }
  throw CancellationError()
}

package struct OutOfPatience: Error {
  package var limit: Duration
}

/// Records that a test has waited in vain: for what, and what there was instead.
func recordVainWait(
  for what: String, _ limit: Duration = Patience.wait, instead: String, at place: SourceLocation
) {
  guard !Task.isCancelled else { return }
  Issue.record("waited in vain (at most \(limit)) for \(what); instead: \(instead)", sourceLocation: place)
}
