/// When a failed request is tried again, and how long after.
package struct RetryPolicy: Sendable {
  /// All tries, the first included.
  package var attempts = 5
  /// The wait after the first failure; it doubles with each further one.
  package var firstDelay: Duration = .milliseconds(250)
  package var longestDelay: Duration = .seconds(8)
  /// A registry that asks for a longer wait than this is not waited for.
  package var longestRetryAfter: Duration = .seconds(30)

  package init() {}

  /// The wait before the next try, or nil when there is none.
  ///
  /// - Parameters:
  ///   - failures: how many tries have failed, at least one.
  ///   - retryAfter: what the registry's Retry-After header asks for.
  func delay(afterFailures failures: Int, retryAfter: Duration?) -> Duration? {
    guard failures < attempts else { return nil }
    if let retryAfter { return retryAfter <= longestRetryAfter ? retryAfter : nil }
    var delay = firstDelay
    for _ in 1..<max(failures, 1) where delay < longestDelay { delay *= 2 }
    return min(delay, longestDelay)
  }
}
