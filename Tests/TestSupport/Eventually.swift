package import Testing

/// Looks again and again, with a pause between, until what is seen is as it should be.
///
/// - Parameter what: is to be, for whoever reads that it never was.
/// - Returns: what was seen last.
/// - Throws: `TestFailure` with what was seen last where it is not so within `limit`, which is an issue then, also in a task whose
///   end nobody waits for; what `look` throws; `CancellationError`.
@discardableResult
package func eventually<Seen>(
  within limit: Duration = .seconds(120), describing what: String,
  _ place: SourceLocation = #_sourceLocation, _ look: () async throws -> Seen, until holds: (Seen) -> Bool
) async throws -> Seen {
  let end = ContinuousClock.now + limit
  while true {
    let seen = try await look()
    if holds(seen) { return seen }
    guard ContinuousClock.now < end else {
      let failure = TestFailure("waited in vain (\(limit)) until \(what); last seen: \(seen)")
      Issue.record(failure, sourceLocation: place)
      throw failure
    }
    try await Task.sleep(for: .milliseconds(20))
  }
}

/// As above, for what either is so or is not.
package func eventually(
  within limit: Duration = .seconds(120), describing what: String,
  _ place: SourceLocation = #_sourceLocation, _ holds: () async throws -> Bool
) async throws {
  try await eventually(within: limit, describing: what, place, holds) { $0 }
}
