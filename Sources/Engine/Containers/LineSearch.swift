import Runner

/// Looks for a text in the lines of a container's output, whatever pieces they come in. A line longer than 64 KiB is looked
/// at in parts.
struct LineSearch {
  private static let longestLine = 64 << 10
  private let pattern: [UInt8]
  private var open: (stdout: [UInt8], stderr: [UInt8]) = ([], [])

  init(_ pattern: String) { self.pattern = Array(pattern.utf8) }

  /// The first line that a record completes and that contains the text.
  mutating func firstMatch(in record: LogRecord) -> String? {
    switch record.content {
    case .stdout(let bytes): take(bytes, \.stdout)
    case .stderr(let bytes): take(bytes, \.stderr)
    case .lost: nil
    }
  }

  /// A last line without its newline.
  func rest() -> String? {
    [open.stdout, open.stderr].first { !$0.isEmpty && contains($0) }.map {
      String(decoding: $0, as: UTF8.self)
    }
  }

  private mutating func take(
    _ bytes: [UInt8], _ stream: WritableKeyPath<(stdout: [UInt8], stderr: [UInt8]), [UInt8]>
  ) -> String? {
    var rest = bytes[...]
    while let newline = rest.firstIndex(of: UInt8(ascii: "\n")) {
      let line = open[keyPath: stream] + rest[..<newline]
      open[keyPath: stream] = []
      rest = rest[(newline + 1)...]
      if contains(line) { return text(line) }
    }
    open[keyPath: stream] += rest
    if open[keyPath: stream].count > Self.longestLine {
      let part = open[keyPath: stream]
      // What may be the beginning of the text stays.
      open[keyPath: stream] = Array(part.suffix(max(0, pattern.count - 1)))
      if contains(part) { return text(part) }
    }
    return nil
  }

  private func text(_ line: [UInt8]) -> String {
    String(decoding: line.last == UInt8(ascii: "\r") ? line.dropLast() : line[...], as: UTF8.self)
  }

  private func contains(_ line: [UInt8]) -> Bool {
    if pattern.isEmpty { return true }
    guard line.count >= pattern.count else { return false }
    return (0...(line.count - pattern.count)).contains { start in
      line[start] == pattern[0] && line[start..<(start + pattern.count)].elementsEqual(pattern)
    }
  }
}
