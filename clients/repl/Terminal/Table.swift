/// Rows in aligned columns.
struct Table {
  var header: [String]
  var rows: [[String]] = []

  init(_ header: String...) { self.header = header }

  /// Lines without spaces at their ends, none longer than so many columns; the last column is not padded.
  func lines(_ terminal: Terminal, columns: Int = .max) -> [String] {
    let widths = header.indices.map { column in
      ([header] + rows).map { $0.indices.contains(column) ? $0[column].count : 0 }.max() ?? 0
    }
    func line(_ cells: [String]) -> String {
      var line = zip(cells, widths).map { $0.padded(to: $1) }.joined(separator: "  ")
      while line.last == " " { line.removeLast() }
      return line.shortened(to: columns)
    }
    return [terminal.bold(line(header))] + rows.map(line)
  }
}

/// Names and values, one pair a line.
struct FieldList {
  var fields: [(String, String)] = []

  mutating func add(_ name: String, _ value: String?) {
    if let value, !value.isEmpty { fields.append((name, value)) }
  }

  func lines(_ terminal: Terminal) -> [String] {
    let width = fields.map(\.0.count).max() ?? 0
    return fields.map { terminal.bold($0.0.padded(to: width)) + "  " + $0.1 }
  }
}

extension String {
  func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }

  func leftPadded(to width: Int) -> String { String(repeating: " ", count: max(0, width - count)) + self }

  /// The beginning, where the whole is too long.
  func shortened(to width: Int) -> String { count <= width ? self : prefix(max(0, width - 1)) + "…" }
}
