import Metadata

/// What a row of looks at a container comes to. A value: no container, no clock.
package struct HealthTally: Hashable, Sendable, Codable {
  /// When the run began that the looks are of, in nanoseconds since 1970.
  var startedAt: Int64
  var failuresInARow: Int64 = 0
  private(set) var hasSucceeded = false
  /// The last ones, the newest last.
  private(set) var results: [HealthResult] = []

  static let kept = 5

  init(startedAt: Int64) { self.startedAt = startedAt }

  /// Takes the next look in.
  ///
  /// - Returns: how well the container is now.
  mutating func take(_ result: HealthResult, _ plan: HealthPlan) -> ContainerHealth {
    results.append(result)
    if results.count > Self.kept { results.removeFirst() }
    if result.exitCode == 0 {
      failuresInARow = 0
      hasSucceeded = true
    } else if !isStarting(at: result.at, plan) {
      failuresInARow += 1
    }
    return health(plan)
  }

  /// Whether failures do not count yet: a success ends that as well as the time.
  func isStarting(at time: Int64, _ plan: HealthPlan) -> Bool {
    !hasSucceeded && time - startedAt < plan.startPeriod
  }

  /// In nanoseconds, after a look at `time`.
  func pause(after time: Int64, _ plan: HealthPlan) -> Int64 {
    // A plan that an earlier version has stored has other numbers.
    min(HealthPlan.longest, isStarting(at: time, plan) ? plan.startInterval : plan.interval)
  }

  /// What is left at `now` of the pause after a look at `time`, however the clock was set in between: none where it went forward, all
  /// of it where it went back.
  func pause(after time: Int64, _ plan: HealthPlan, at now: Int64) -> Int64 {
    max(0, pause(after: time, plan) - max(0, now - time))
  }

  private func health(_ plan: HealthPlan) -> ContainerHealth {
    if failuresInARow >= plan.retries { return .unhealthy }
    return hasSucceeded ? .healthy : .starting
  }
}

/// One look at a container's health.
package struct HealthResult: Hashable, Sendable, Codable {
  /// When it began, in nanoseconds since 1970.
  package var at: Int64
  /// In nanoseconds.
  package var duration: Int64
  /// Nil where it was over time or could not be executed.
  package var exitCode: Int32?
  /// The first 4 KiB, or why there is none.
  package var output: String
}
