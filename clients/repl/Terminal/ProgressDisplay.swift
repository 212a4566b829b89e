import RPCModel
import Synchronization

/// The tasks of long requests: a bar for each, live on a terminal; a line for each at its end elsewhere.
final class ProgressDisplay: Sendable {
  private struct Row {
    var task: TaskID
    var depth: Int
    var title: String
    var done = 0
    var total: Int?
    var isInBytes: Bool
    var end: (outcome: TaskOutcome, milliseconds: Int)?
    var hasChildren = false
  }
  private struct State {
    var rows: [Row] = []
    /// How many finished rows are not kept any more.
    var passed = 0
    var lastDrawn = ContinuousClock.now - .seconds(1)
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
      state.rows.append(
        Row(
          task: task.task, depth: parent.map { state.rows[$0].depth + 1 } ?? 0, title: task.title,
          total: task.total,
          isInBytes: task.unit == .bytes))
    }
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
        terminal.note(line(state.rows[index], titleWidth: 0, columns: 200))
      }
      if state.rows.count > Self.rowsKept,
        let oldest = state.rows.firstIndex(where: { $0.end != nil })
      {
        state.rows.remove(at: oldest)
        state.passed += 1
      }
    }
    retireFinished()
  }

  private func change(redraws: Bool, _ body: (inout State) -> Void) {
    let lines: [String]? = state.withLock { state -> [String]? in
      body(&state)
      guard terminal.isErrorTerminal else { return nil }
      let now = ContinuousClock.now
      // Eyes see no more than twenty pictures a second of bars.
      guard redraws || now - state.lastDrawn > .milliseconds(50) else { return nil }
      state.lastDrawn = now
      return self.lines(state.rows)
    }
    if let lines, !terminal.isJSON { terminal.setLive(lines) }
  }

  /// When the last task has ended, what is drawn stays as ordinary lines.
  private func retireFinished() {
    let lines: [String]? = state.withLock { state -> [String]? in
      guard state.rows.allSatisfy({ $0.end != nil }) else { return nil }
      defer { (state.rows, state.passed) = ([], 0) }
      return self.lines(state.rows) + (state.passed == 0 ? [] : ["and \(state.passed) more that are done"])
    }
    guard let lines, terminal.isErrorTerminal, !terminal.isJSON else { return }
    terminal.setLive([])
    for line in lines { terminal.note(line) }
  }

  private func lines(_ rows: [Row]) -> [String] {
    let size = terminal.size
    // What does not fit on the screen could not be drawn over: finished rows go first.
    var shown = rows
    while shown.count > size.rows - 2,
      let index = shown.firstIndex(where: { $0.end != nil && !$0.hasChildren }) ?? shown.indices.last
    {
      shown.remove(at: index)
    }
    let width = shown.map { $0.title.count + 2 * $0.depth }.max() ?? 0
    return shown.map { line($0, titleWidth: min(width, size.columns / 2), columns: size.columns - 1) }
  }

  private func line(_ row: Row, titleWidth: Int, columns: Int) -> String {
    let title = (String(repeating: "  ", count: row.depth) + row.title).padded(to: titleWidth)
    func amount(_ count: Int) -> String { row.isInBytes ? ByteCount(count).text : "\(count)" }
    guard let end = row.end else {
      if row.hasChildren { return title.shortened(to: columns) }
      guard let total = row.total, total > 0 else {
        return "\(title)  \(row.done > 0 ? amount(row.done) : "…")".shortened(to: columns)
      }
      let fraction = min(1, max(0, Double(row.done) / Double(total)))
      let barWidth = max(8, min(30, columns - titleWidth - 32))
      let filled = Int(fraction * Double(barWidth))
      let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: barWidth - filled)
      let percent = "\(Int(fraction * 100))%".leftPadded(to: 4)
      return "\(title)  \(bar) \(percent)  \(amount(row.done)) of \(amount(total))".shortened(to: columns)
    }
    let mark =
      switch end.outcome {
      case .succeeded: terminal.green("✓")
      case .cancelled: "–"
      default: terminal.red("✗")
      }
    let size = row.hasChildren || row.done == 0 ? "" : "  " + amount(row.done).leftPadded(to: 8)
    let seconds = String(Double(end.milliseconds / 10) / 100)
    return "\(title)  \(mark)\(size)  \(seconds) s"
  }
}
