package import EngineErrors

/// A place in a file. Both numbers begin with 1; columns count Unicode scalars.
package struct SourcePosition: Hashable, Sendable, Comparable, CustomStringConvertible {
  package var line: Int
  package var column: Int

  package init(line: Int, column: Int) {
    self.line = line
    self.column = column
  }

  package static func < (left: Self, right: Self) -> Bool {
    (left.line, left.column) < (right.line, right.column)
  }

  package var description: String { "\(line):\(column)" }
}

/// From a place to another one, which is behind what is meant.
package struct SourceRange: Hashable, Sendable {
  package var start: SourcePosition
  package var end: SourcePosition

  package init(_ start: SourcePosition, _ end: SourcePosition) {
    self.start = start
    self.end = end
  }
}

/// A part of an instruction as it is written, quotes and variables included, and where it begins.
package struct Word: Hashable, Sendable {
  package var text: String
  package var position: SourcePosition

  package init(_ text: String, at position: SourcePosition) {
    self.text = text
    self.position = position
  }
}

/// A file as errors and warnings name it.
package struct SourceFile: Hashable, Sendable {
  package var name: String

  package init(_ name: String) { self.name = name }

  func notUTF8(at position: SourcePosition) -> EngineError {
    error(
      "there is a byte that is no UTF-8", at: position,
      hint:
        "save the file as UTF-8; what is to be other bytes belongs into a file of the context, or into a heredoc of"
        + " COPY whose name is quoted")
  }

  /// - Parameter hint: what to do about it; a near miss by preference.
  package func error(_ message: String, at position: SourcePosition, hint: String? = nil) -> EngineError {
    let place = "\(name):\(position)"
    return EngineError(.invalidArgument, "\(place): \(message)", subject: place, hint: hint)
  }
}
