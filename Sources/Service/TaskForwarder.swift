import Engine
import RPCModel
import RPCTransport
import Synchronization

/// Sends the tasks of a request to the client, progress at most ten times a second for each.
///
/// What is told of a task is queued under the lock that knows it: nothing comes behind its finish.
final class TaskForwarder: TaskObserver {
  private static let interval = Duration.milliseconds(100)

  private let session: Session
  private let request: RequestID
  private let token: ProgressToken?
  private let clock = ContinuousClock()

  private struct Known {
    /// The task's number in the session.
    var number: Int
    var isOutermost: Bool
    var lastReport: ContinuousClock.Instant
    /// What came too soon after the last report.
    var held: (done: Int64, total: Int64?)?
  }
  private let known = Mutex<[Int: Known]>([:])

  init(session: Session, request: RequestID, token: ProgressToken?) {
    self.session = session
    self.request = request
    self.token = token
  }

  func started(_ task: TaskStart) {
    let number = session.nextTask()
    let isOutermost = task.parent == nil
    let parent = known.withLock { known in
      known[task.id] = Known(number: number, isOutermost: isOutermost, lastReport: clock.now - Self.interval)
      return task.parent.flatMap { known[$0]?.number }
    }
    session.notify(
      TaskStartedNotification(
        task: number, parent: parent, request: request, title: task.title, total: task.total.map(Int.init),
        unit: task.unit == .bytes ? .bytes : .items))
    if isOutermost, let token {
      session.notify(
        ProgressNotification(token: token, value: .init(kind: .begin, title: task.title, cancellable: true)))
    }
  }

  func progressed(task: Int, done: Int64, total: Int64?) {
    let now = clock.now
    let later: ContinuousClock.Instant? = known.withLock { known in
      guard let entry = known[task] else { return nil }
      guard now - entry.lastReport >= Self.interval else {
        known[task]?.held = (done, total)
        return entry.held == nil ? entry.lastReport + Self.interval : nil
      }
      known[task]?.lastReport = now
      known[task]?.held = nil
      report(entry, done, total)
      return nil
    }
    // Sent when its time has come, also where nothing comes after it.
    if let later { reportHeld(task, at: later) }
  }

  private func reportHeld(_ task: Int, at instant: ContinuousClock.Instant) {
    Task {
      try await clock.sleep(until: instant)
      known.withLock { known in
        guard let entry = known[task], let held = entry.held, clock.now - entry.lastReport >= Self.interval
        else { return }
        known[task]?.lastReport = clock.now
        known[task]?.held = nil
        report(entry, held.done, held.total)
      }
    }
  }

  private func report(_ task: Known, _ done: Int64, _ total: Int64?) {
    session.notify(
      TaskProgressedNotification(task: task.number, done: Int(done), total: total.map(Int.init)),
      coalescingKey: "task \(task.number)")
    guard task.isOutermost, let token, let total, total > 0 else { return }
    let percentage = Int(min(100, max(0, Double(done) / Double(total) * 100)))
    session.notify(
      ProgressNotification(token: token, value: .init(kind: .report, percentage: percentage)),
      coalescingKey: "progress \(task.number)")
  }

  func finished(task: Int, outcome: Engine.TaskOutcome, duration: Duration) {
    let outcome: RPCModel.TaskOutcome =
      switch outcome {
      case .succeeded: .succeeded
      case .failed: .failed
      case .cancelled: .cancelled
      }
    known.withLock { known in
      guard let entry = known.removeValue(forKey: task) else { return }
      if let held = entry.held { report(entry, held.done, held.total) }
      session.notify(
        TaskFinishedNotification(
          task: entry.number, outcome: outcome, durationMs: duration.wireMilliseconds))
      guard entry.isOutermost, let token else { return }
      session.notify(ProgressNotification(token: token, value: .init(kind: .end, message: outcome.rawValue)))
    }
  }
}
