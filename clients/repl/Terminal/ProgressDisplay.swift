import Foundation
import RPCModel
import Synchronization

/// The tasks of long requests as a tree, with a bar for each: live on a terminal; a line for each at its end elsewhere.
final class ProgressDisplay: Sendable {
  private struct State {
    var rows: [ProgressRow] = []
    /// How many finished rows are not kept any more.
    var passed = 0
    var lastDrawn = ContinuousClock.now - .seconds(1)
    var hasTicker = false
    var gathers = false
  }
  /// A load of thousands of images has a task for each: no more are kept than a large screen shows.
  private static let rowsKept = 100

  private let terminal: Terminal
  private let state = Mutex(State())

  init(_ terminal: Terminal) { self.terminal = terminal }

  func start(_ task: TaskStartedNotification) {
    change(redraws: true) { state in
      let parent = state.rows.firstIndex { $0.task == task.parent }
      if let parent { state.rows[parent].hasChildren = true }
      let row = ProgressRow(task, depth: parent.map { state.rows[$0].depth + 1 } ?? 0)
      state.rows.insert(row, at: state.rows.place(of: row, under: parent))
    }
    tick()
  }

  /// What begins while `body` runs is one tree, also where nothing is under way between its parts.
  func gather<Result>(_ body: () async throws -> Result) async rethrows -> Result {
    state.withLock { $0.gathers = true }
    defer {
      state.withLock { $0.gathers = false }
      retireFinished()
    }
    return try await body()
  }

  func update(_ task: TaskProgressedNotification) {
    change(redraws: false) { state in
      guard let row = state.rows.firstIndex(where: { $0.task == task.task }) else { return }
      state.rows[row].done = task.done
      if let total = task.total { state.rows[row].total = total }
    }
  }

  func finish(_ task: TaskFinishedNotification) {
    change(redraws: true) { state in
      guard let index = state.rows.firstIndex(where: { $0.task == task.task }) else { return }
      state.rows[index].end = (task.outcome, task.durationMs)
      if let total = state.rows[index].total, task.outcome == .succeeded { state.rows[index].done = total }
      if !terminal.isErrorTerminal, !terminal.isJSON, !state.rows[index].hasChildren {
        terminal.note(state.rows[index].wholeLine(terminal))
      }
      if state.rows.count > Self.rowsKept,
        let oldest = state.rows.firstIndex(where: { $0.end != nil && $0.stage == nil })
      {
        state.rows.remove(at: oldest)
        state.passed += 1
      }
    }
    retireFinished()
  }

  private func change(redraws: Bool, _ body: (inout State) -> Void) {
    state.withLock { state in
      body(&state)
      guard terminal.isErrorTerminal, !terminal.isJSON, !state.rows.isEmpty else { return }
      let now = ContinuousClock.now
      // Eyes see no more than twenty pictures a second of bars.
      guard redraws || now - state.lastDrawn > .milliseconds(50) else { return }
      state.lastDrawn = now
      terminal.setLive(lines(state.rows, rows: terminal.size.rows))
    }
  }

  /// Seconds go by also where nothing is reported.
  private func tick() {
    guard terminal.isErrorTerminal, !terminal.isJSON else { return }
    let starts = state.withLock { state in
      defer { state.hasTicker = true }
      return !state.hasTicker
    }
    guard starts else { return }
    Task { [weak self] in
      while true {
        try? await Task.sleep(for: .seconds(1))
        guard let self else { return }
        let goesOn = state.withLock { state in
          state.hasTicker = !state.rows.isEmpty
          return state.hasTicker
        }
        guard goesOn else { return }
        change(redraws: true) { _ in }
      }
    }
  }

  /// When the last task has ended, what is drawn stays as ordinary lines.
  private func retireFinished() {
    state.withLock { state in
      guard !state.gathers, !state.rows.isEmpty, state.rows.allSatisfy({ $0.end != nil }) else { return }
      defer { (state.rows, state.passed) = ([], 0) }
      guard terminal.isErrorTerminal, !terminal.isJSON else { return }
      terminal.setLive([])
      lines(state.rows, rows: .max).forEach(terminal.note)
      if state.passed > 0 { terminal.note("and \(state.passed) more that are done") }
    }
  }

  /// - Parameter rows: those of the screen. What does not fit on it could not be drawn over: finished rows go first.
  private func lines(_ all: [ProgressRow], rows: Int) -> [String] {
    var shown = all
    func headings() -> Int { Set(shown.compactMap(\.stage)).count }
    while shown.count + headings() > max(1, rows - 2),
      let index = shown.firstIndex(where: { $0.end != nil && !$0.hasChildren }) ?? shown.indices.last
    {
      shown.remove(at: index)
    }
    let columns = terminal.size.columns - 1
    let widest = shown.map { $0.indentation + $0.title.count }.max() ?? 0
    let width = min(widest, max(columns / 2, columns - ProgressRow.figures))
    var lines: [String] = []
    var stage: String?
    for row in shown {
      if let own = row.stage, own != stage { lines.append(terminal.notes.bold(own.shortened(to: columns))) }
      stage = row.stage
      lines.append(row.line(terminal, titleWidth: width, columns: columns))
    }
    return lines
  }
}

extension [ProgressRow] {
  /// Behind its parent's others, or its stage's; stages are in the Dockerfile's order.
  fileprivate func place(of row: ProgressRow, under parent: Int?) -> Int {
    if let parent {
      return self[(parent + 1)...].firstIndex { $0.depth <= self[parent].depth } ?? endIndex
    }
    guard let stage = row.stage else { return endIndex }
    guard let last = lastIndex(where: { $0.stage == stage }) else {
      return firstIndex { $0.stage != nil && $0.step > row.step } ?? endIndex
    }
    return self[(last + 1)...].firstIndex { $0.depth == 0 } ?? endIndex
  }
}
