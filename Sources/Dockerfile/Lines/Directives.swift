import EngineErrors

/// Parser directives: comments of the form `# name=value` at the beginning of the file.
package struct Directives: Hashable, Sendable {
  package var syntax: String?
  /// What continues lines and takes special meaning away: a backslash or a backtick.
  package var escape = UInt8(ascii: "\\")
  package var check = LintConfiguration()
  private var seen: Set<String> = []

  package init() {}

  /// - Parameter comment: a line that begins with `#`.
  /// - Returns: false for what is no directive, with which they end.
  /// - Throws: for one that is there twice or has a value that it cannot have.
  mutating func take(
    _ comment: ArraySlice<UInt8>, at position: SourcePosition, _ file: SourceFile
  ) throws(EngineError) -> Bool {
    let text = String(decoding: comment.dropFirst(), as: UTF8.self).trimmingBlanks()
    guard let equals = text.firstIndex(of: "=") else { return false }
    let name = String(text[..<equals]).trimmingBlanks().lowercased()
    let value = String(text[text.index(after: equals)...]).trimmingBlanks()
    guard ["syntax", "escape", "check"].contains(name), !value.isEmpty else { return false }
    guard seen.insert(name).inserted else {
      throw file.error("the directive \(name) is given twice", at: position)
    }
    switch name {
    case "syntax": syntax = value
    case "escape":
      guard value == "\\" || value == "`", let character = value.utf8.first else {
        throw file.error(
          "'\(value)' cannot be the escape character", at: position, hint: "it is a backslash or a backtick")
      }
      escape = character
    default:
      do { check = try LintConfiguration(parsing: value) } catch {
        throw file.error(error.message, at: position, hint: error.hint)
      }
    }
    return true
  }
}

extension String {
  func trimmingBlanks() -> String {
    let bytes = utf8.drop { $0.isBlank }
    guard let last = bytes.lastIndex(where: { !$0.isBlank }) else { return "" }
    return String(self[bytes.startIndex...last])
  }
}
