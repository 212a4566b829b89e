import Synchronization

/// One piece of long work as its watchers see it. Each start has its finish, whatever happens.
package struct TaskStart: Sendable {
  package var id: Int
  package var parent: Int?
  package var title: String
  /// In `unit`; nil where it is not known beforehand.
  package var total: Int64?
  package var unit: TaskUnit
}

package enum TaskUnit: Sendable {
  case bytes
  case items
}

package enum TaskOutcome: Sendable {
  case succeeded
  case failed
  case cancelled
}

/// Receives the tasks of one request. Called from any thread, in order for each task; must not block.
package protocol TaskObserver: Sendable {
  func started(_ task: TaskStart)
  func progressed(task: Int, done: Int64, total: Int64?)
  func finished(task: Int, outcome: TaskOutcome, duration: Duration)
}

/// Reports the tasks of one request to its observer.
package struct TaskReporter: Sendable {
  /// For work that nobody watches.
  package static let silent = TaskReporter(observer: nil)

  private let observer: (any TaskObserver)?
  private let identifiers: Identifiers
  private let parent: Int?

  package init(observer: (any TaskObserver)?) {
    self.observer = observer
    identifiers = Identifiers()
    parent = nil
  }

  private init(under parent: Int, of reporter: TaskReporter) {
    observer = reporter.observer
    identifiers = reporter.identifiers
    self.parent = parent
  }

  /// Runs `body` as a task; its finish is reported when `body` returns or throws.
  ///
  /// - Parameter body: gets the task's progress, and a reporter for tasks beneath it.
  package func task<Result>(
    _ title: String, total: Int64? = nil, unit: TaskUnit = .bytes,
    _ body: (TaskProgress, TaskReporter) async throws -> Result
  ) async rethrows -> Result {
    guard let observer else { return try await body(TaskProgress(observer: nil, task: 0, total: nil), self) }
    let id = identifiers.next()
    let clock = ContinuousClock()
    let begin = clock.now
    observer.started(TaskStart(id: id, parent: parent, title: title, total: total, unit: unit))
    do {
      let result = try await body(
        TaskProgress(observer: observer, task: id, total: total), TaskReporter(under: id, of: self))
      observer.finished(task: id, outcome: .succeeded, duration: clock.now - begin)
      return result
    } catch {
      let outcome: TaskOutcome = Task.isCancelled || error is CancellationError ? .cancelled : .failed
      observer.finished(task: id, outcome: outcome, duration: clock.now - begin)
      throw error
    }
  }

  private final class Identifiers: Sendable {
    private let last = Atomic(0)
    func next() -> Int { last.add(1, ordering: .relaxed).newValue }
  }
}

/// Says how far one task has come. The observer coalesces, so this may be called for every buffer.
package struct TaskProgress: Sendable {
  fileprivate let observer: (any TaskObserver)?
  fileprivate let task: Int
  fileprivate let total: Int64?

  package func report(_ done: Int64) {
    observer?.progressed(task: task, done: done, total: total)
  }
}
