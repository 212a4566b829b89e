import EngineErrors

/// Takes a file apart into logical lines and the bodies of heredocs: parser directives, comments, continuations.
struct LineReader {
  private let file: SourceFile
  /// Each with its end of line.
  private let lines: [ArraySlice<UInt8>]
  /// The index of the next one.
  private var next = 0
  private(set) var directives = Directives()
  private(set) var warnings: [LintWarning] = []
  private var directivesEnded = false
  /// Of the lines right before.
  private var comments: [String] = []

  private let isCancelled: () -> Bool

  /// - Parameter isCancelled: is asked now and then.
  init(
    _ bytes: [UInt8], _ file: SourceFile, isCancelled: @escaping () -> Bool = { false }
  ) throws(EngineError) {
    self.file = file
    self.isCancelled = isCancelled
    var lines: [ArraySlice<UInt8>] = []
    var start = bytes.starts(with: [0xef, 0xbb, 0xbf]) ? 3 : 0
    while start < bytes.count {
      let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? bytes.count
      guard end - start <= Self.longestLine else {
        throw file.error(
          "the line is longer than \(Self.longestLine) bytes",
          at: SourcePosition(line: lines.count + 1, column: 1))
      }
      lines.append(bytes[start..<end])
      start = end
    }
    self.lines = lines
  }

  /// In bytes.
  private static let longestLine = 65_535

  func checkCancellation() throws(EngineError) {
    if isCancelled() { throw .cancelled("reading \(file.name)") }
  }

  var escape: UInt8 { directives.escape }
  /// One past the last line of the file that was read.
  var currentLine: Int { next }

  /// The next line that is more than blank and comment, and the comments right before it.
  mutating func nextLine() throws(EngineError) -> (LogicalLine, comments: [String])? {
    comments = []
    while next < lines.count {
      let number = next + 1
      let raw = lines[next]
      next += 1
      let content = Self.withoutNewline(raw).droppingLeadingBlanks()
      if content.first == UInt8(ascii: "#") {
        try takeComment(content, line: number)
        continue
      }
      directivesEnded = true
      try check(raw, line: number)
      let (text, continues) = withoutContinuation(content)
      if text.isEmpty && !continues {
        comments = []
        continue
      }
      var line = LogicalLine()
      let indent = content.startIndex - raw.startIndex
      line.append(text, at: SourcePosition(line: number, column: indent + 1))
      if continues { try appendContinuations(to: &line) }
      let found = comments
      comments = []
      // Only continuations and comments: nothing was said.
      if line.trimmed(0..<line.bytes.count).isEmpty { continue }
      return (line, found)
    }
    return nil
  }

  private mutating func takeComment(_ content: ArraySlice<UInt8>, line: Int) throws(EngineError) {
    if !directivesEnded {
      let position = SourcePosition(line: line, column: 1)
      if try directives.take(content, at: position, file) { return }
      directivesEnded = true
    }
    let text = String(decoding: content.dropFirst(), as: UTF8.self).trimmingBlanks()
    if text.isEmpty { comments = [] } else { comments.append(text) }
  }

  private mutating func appendContinuations(to line: inout LogicalLine) throws(EngineError) {
    var emptyLine: Int?
    var continues = true
    while continues, next < lines.count {
      let number = next + 1
      let content = Self.withoutNewline(lines[next])
      next += 1
      if number & 0xfff == 0 { try checkCancellation() }
      let visible = content.droppingLeadingBlanks()
      if visible.first == UInt8(ascii: "#") { continue }
      if visible.isEmpty {
        emptyLine = number
        continue
      }
      try check(content, line: number)
      let (text, more) = withoutContinuation(content)
      line.append(text, at: SourcePosition(line: number, column: 1))
      continues = more
    }
    if let emptyLine {
      let position = SourcePosition(line: emptyLine, column: 1)
      warnings.append(LintWarning(.noEmptyContinuation, "Empty continuation line", at: position))
    }
  }

  /// A line goes on in the next one when its last character is the escape character, and none such is before it.
  private func withoutContinuation(_ line: ArraySlice<UInt8>) -> (ArraySlice<UInt8>, continues: Bool) {
    guard let last = line.lastIndex(where: { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "\t") }),
      line[last] == escape
    else { return (line, false) }
    if last > line.startIndex, line[last - 1] == escape { return (line, false) }
    return (line[..<last], true)
  }

  /// A comment may be anything. What is said has to be text that programs can be given.
  ///
  /// - Throws: `invalidArgument` with the place of the first byte that is none.
  private func check(_ bytes: ArraySlice<UInt8>, line: Int) throws(EngineError) {
    if let index = bytes.firstIndex(of: 0) {
      let before = String(decoding: bytes[..<index], as: UTF8.self).unicodeScalars.count
      throw file.error(
        "there is a NUL", at: SourcePosition(line: line, column: before + 1),
        hint: "no path, variable or command can have one; take it out")
    }
    if let position = Self.oddPosition(in: bytes, line: line) { throw file.notUTF8(at: position) }
  }

  /// Of the first byte that is no UTF-8.
  private static func oddPosition(in bytes: ArraySlice<UInt8>, line: Int) -> SourcePosition? {
    if String(validating: bytes, as: UTF8.self) != nil { return nil }
    var (decoder, rest) = (UTF8(), bytes.makeIterator())
    var column = 1
    while case .scalarValue = decoder.decode(&rest) { column += 1 }
    return SourcePosition(line: line, column: column)
  }

  /// Reads the body of a heredoc up to the line that ends it.
  ///
  /// - Throws: when the file ends before.
  mutating func readBody(of heredoc: inout Heredoc, at position: SourcePosition) throws(EngineError) {
    let terminator = Array(heredoc.name.utf8)
    var body: [UInt8] = []
    while next < lines.count {
      let line = lines[next]
      next += 1
      if next & 0xfff == 0 { try checkCancellation() }
      var candidate = Self.withoutNewline(line)
      if heredoc.stripsTabs { candidate = candidate.drop { $0 == UInt8(ascii: "\t") } }
      if candidate.elementsEqual(terminator) {
        heredoc.body = String(decoding: body, as: UTF8.self)
        if heredoc.oddPosition != nil { heredoc.bytes = body }
        return
      }
      heredoc.oddPosition = heredoc.oddPosition ?? Self.oddPosition(in: line, line: next)
      body += line
    }
    throw file.error(
      "the heredoc \(heredoc.name) has no end", at: position,
      hint: "put \(heredoc.name) alone on the line behind its text")
  }

  private static func withoutNewline(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    var line = line
    while let last = line.last, last.isNewline { line = line.dropLast() }
    return line
  }
}
