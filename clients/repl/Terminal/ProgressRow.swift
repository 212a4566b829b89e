import RPCModel

/// One task as a line.
struct ProgressRow: Sendable {
  /// How many columns are left for what stands behind a long title: ` ✓  1.14 MB  12.34 s`.
  static let figures = 24

  var task: TaskID
  var depth: Int
  var title: String
  /// That of a build which it is a step of; those of one are shown together.
  var stage: String?
  /// Of a build's step, its number.
  var step = 0
  var done = 0
  var total: Int?
  var isInBytes: Bool
  var end: (outcome: TaskOutcome, milliseconds: Int)?
  var hasChildren = false
  private let wholeTitle: String
  private let start = ContinuousClock.now

  init(_ task: TaskStartedNotification, depth: Int) {
    self.task = task.task
    self.depth = depth
    total = task.total
    isInBytes = task.unit == .bytes
    wholeTitle = task.title.singleLine
    title = wholeTitle
    if depth == 0, let step = BuildTitle(task.title) {
      (stage, self.step) = (step.stage, step.place)
      title = "\(step.number) \(step.instruction.singleLine)"
    }
  }

  var indentation: Int { 2 * (depth + (stage == nil ? 0 : 1)) }

  /// Where nothing is above it to say what it belongs to.
  func wholeLine(_ terminal: Terminal) -> String {
    line(terminal, title: String(repeating: " ", count: 2 * depth) + wholeTitle, columns: 200)
  }

  func line(_ terminal: Terminal, titleWidth: Int, columns: Int) -> String {
    let indented = String(repeating: " ", count: indentation) + title
    // What is to be done has nothing behind it.
    if end == nil, hasChildren { return indented.shortened(to: columns) }
    return line(
      terminal, title: indented.shortened(to: titleWidth).padded(to: titleWidth), columns: columns)
  }

  private func line(_ terminal: Terminal, title: String, columns: Int) -> String {
    guard let end else { return (title + "  " + progress(columns - title.count)).shortened(to: columns) }
    let mark =
      switch end.outcome {
      case .succeeded: terminal.notes.green("✓")
      case .cancelled: "–"
      default: terminal.notes.red("✗")
      }
    let size = hasChildren || done == 0 ? "" : "  " + amount(done).leftPadded(to: 8)
    return "\(title)  \(mark)\(size)  \(seconds(Double(end.milliseconds) / 1000))"
  }

  private func amount(_ count: Int) -> String { isInBytes ? ByteCount(count).text : "\(count)" }

  private func seconds(_ count: Double) -> String { "\(Double(Int(count * 100)) / 100) s" }

  /// - Parameter room: in columns.
  private func progress(_ room: Int) -> String {
    guard let total, total > 0 else {
      let time = (ContinuousClock.now - start).components.seconds
      return (done > 0 ? amount(done) : "…") + (time > 0 ? "  \(time) s" : "")
    }
    let fraction = min(1, max(0, Double(done) / Double(total)))
    let barWidth = max(8, min(30, room - 32))
    let filled = Int(fraction * Double(barWidth))
    let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: barWidth - filled)
    let percent = "\(Int(fraction * 100))%".leftPadded(to: 4)
    return "\(bar) \(percent)  \(amount(done)) of \(amount(total))"
  }
}
