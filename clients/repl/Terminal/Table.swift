/// Rows in aligned columns.
struct Table {
  var header: [String]
  var rows: [[String]] = []
  /// Columns that are left out, the first of them first, where the window is too narrow for all.
  var expendable: [String] = []

  init(_ header: String...) { self.header = header }

  /// Lines without spaces at their ends; the last column is not padded.
  ///
  /// On a terminal they are no wider than it: long cells are cut, and where that would leave too little of them, each row
  /// becomes lines of its own. The first two columns, which are what a person types, stay whole.
  ///
  /// - Parameter most: how wide they are instead.
  func lines(_ terminal: Terminal, columns most: Int? = nil) -> [String] {
    var table = self
    table.rows = rows.map { $0.map(\.singleLine) }
    guard let columns = most ?? terminal.printedColumns else { return table.lines(terminal, table.widths) }
    for name in expendable where table.narrowed(to: columns) == nil { table.leaveOut(name) }
    if let widths = table.narrowed(to: columns) { return table.lines(terminal, widths) }
    return table.rows.isEmpty
      ? [terminal.output.bold(header.joined(separator: " "))] : table.records(terminal, columns)
  }

  private static let gap = 2
  /// What a cut cell has at least.
  private static let leastWidth = 8

  private var widths: [Int] {
    header.indices.map { column in ([header] + rows).map { Self.cell($0, column).count }.max() ?? 0 }
  }

  private static func cell(_ row: [String], _ column: Int) -> String {
    row.indices.contains(column) ? row[column] : ""
  }

  /// Widths with which the table is as wide as this at most; nil where there are none.
  private func narrowed(to columns: Int) -> [Int]? {
    var widths = widths
    func excess() -> Int { widths.reduce(Self.gap * (widths.count - 1), +) - columns }
    while excess() > 0 {
      let candidates = widths.indices.dropFirst(2).filter {
        widths[$0] > max(Self.leastWidth, header[$0].count)
      }
      guard let widest = candidates.max(by: { widths[$0] < widths[$1] }) else { return nil }
      widths[widest] -= 1
    }
    return widths
  }

  private mutating func leaveOut(_ name: String) {
    guard let column = header.firstIndex(of: name) else { return }
    header.remove(at: column)
    for row in rows.indices where rows[row].indices.contains(column) { rows[row].remove(at: column) }
  }

  private func lines(_ terminal: Terminal, _ widths: [Int]) -> [String] {
    func line(_ cells: [String]) -> String {
      var line = zip(cells, widths).map { $0.shortened(to: $1).padded(to: $1) }.joined(
        separator: String(repeating: " ", count: Self.gap))
      while line.last == " " { line.removeLast() }
      return line
    }
    return [terminal.output.bold(line(header))] + rows.map(line)
  }

  private func records(_ terminal: Terminal, _ columns: Int) -> [String] {
    let names = header.map(\.count).max() ?? 0
    let room = max(Self.leastWidth, columns - names - Self.gap)
    return rows.map { row in
      var fields = FieldList()
      for (column, name) in header.enumerated() {
        let value = Self.cell(row, column).trimmed
        fields.add(name, column < 2 ? value : value.shortened(to: room))
      }
      return fields.lines(terminal)
    }.joined(separator: [""]).map(\.self)
  }
}

/// Names and values, one pair a line.
struct FieldList {
  var fields: [(String, String)] = []

  mutating func add(_ name: String, _ value: String?) {
    if let value, !value.isEmpty { fields.append((name, value.singleLine)) }
  }

  func lines(_ terminal: Terminal) -> [String] {
    let width = fields.map(\.0.count).max() ?? 0
    return fields.map { terminal.output.bold($0.0.padded(to: width)) + "  " + $0.1 }
  }
}

extension String {
  func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }

  func leftPadded(to width: Int) -> String { String(repeating: " ", count: max(0, width - count)) + self }

  /// The beginning, where the whole is too long.
  func shortened(to width: Int) -> String { count <= width ? self : prefix(max(0, width - 1)) + "…" }

  fileprivate var trimmed: String { String(drop { $0 == " " }) }
}
