import Metadata
import OCIModel

/// A step that a build carries out once, however many of its stages come to it.
struct StepFlight: Sendable {
  struct Outcome: Sendable {
    var layer: LayerRecord?
    var milliseconds: Int64
  }

  /// Of the stage that came to it first.
  var number: Int
  var task: Task<Outcome, any Error>
}

extension BuildRun {
  /// Carries a step out, or waits for the stage that does: what has the same key comes to the same.
  ///
  /// - Returns: also the step that it is carried out as, where that is another one.
  /// - Throws: what `work` throws. Where that is another stage's, `CancellationError`: the error is that one's to tell, and the
  ///   build ends by it.
  func carryOutOnce(
    _ key: Digest, as number: Int, _ work: @escaping @Sendable () async throws -> LayerRecord?
  ) async throws -> (outcome: StepFlight.Outcome, other: Int?) {
    let (flight, isOwn) = flight(key) {
      StepFlight(
        number: number,
        task: Task {
          try Task.checkCancellation()
          let clock = ContinuousClock()
          let begin = clock.now
          let layer = try await work()
          return StepFlight.Outcome(layer: layer, milliseconds: (clock.now - begin).milliseconds)
        })
    }
    guard isOwn else {
      do { return (try await flight.task.value, flight.number) } catch { throw CancellationError() }
    }
    let outcome = try await withTaskCancellationHandler {
      try await flight.task.value
    } onCancel: {
      flight.task.cancel()
    }
    return (outcome, nil)
  }
}
