import EngineErrors

/// Text that stands in the file itself, behind the instruction that uses it.
package struct Heredoc: Hashable, Sendable {
  package var name: String
  /// The one before the `<<`; a shell's matter.
  package var descriptor: String
  /// Whether variables in the text are replaced: not where a part of the name is quoted.
  package var expands: Bool
  /// `<<-`: tabs at the beginning of its lines are no part of it.
  package var stripsTabs: Bool
  /// As it is in the file.
  package var body = ""
  /// The same where it is no UTF-8.
  var bytes: [UInt8]?
  /// Of the first byte that is none.
  var oddPosition: SourcePosition?

  /// The body without the tabs that are none of it.
  package var content: String {
    guard stripsTabs else { return body }
    var atStart = true
    return String(
      String.UnicodeScalarView(
        body.unicodeScalars.filter { scalar in
          if atStart, scalar == "\t" { return false }
          atStart = scalar == "\n"
          return true
        }))
  }

  /// The same where it is no UTF-8.
  var contentBytes: [UInt8]? {
    guard stripsTabs else { return bytes }
    var atStart = true
    return bytes?.filter { byte in
      if atStart, byte == UInt8(ascii: "\t") { return false }
      atStart = byte == UInt8(ascii: "\n")
      return true
    }
  }

  /// Reads a word like `<<EOF`, `3<<-"END"`; nil for any other.
  package init?(word: String) {
    let scalars = Array(word.unicodeScalars)
    guard let mark = scalars.firstIndex(where: { !("0"..."9").contains($0) }),
      mark + 2 <= scalars.count, scalars[mark] == "<", scalars[mark + 1] == "<"
    else { return nil }
    var rest = scalars[(mark + 2)...]
    stripsTabs = rest.first == "-"
    if stripsTabs { rest = rest.dropFirst() }
    rest = rest.drop { $0.properties.isWhitespace }
    guard !rest.isEmpty, !rest.contains("<") else { return nil }
    let text = String(String.UnicodeScalarView(rest))
    var lexer = ShellLexer()
    lexer.keepsUnset = true
    guard let plain = try? lexer.words(in: text, { _ in nil }), plain.count == 1 else { return nil }
    lexer.keepsQuotes = true
    guard let raw = try? lexer.words(in: text, { _ in nil }), raw.count == 1 else { return nil }
    func quotes(_ word: String) -> Int { word.unicodeScalars.count { $0 == "'" || $0 == "\"" } }
    name = plain[0]
    expands = quotes(plain[0]) == quotes(raw[0])
    descriptor = String(String.UnicodeScalarView(scalars[..<mark]))
  }

  /// All that a line begins, in their order.
  static func all(in line: String) -> [Heredoc] {
    guard line.contains("<<") else { return [] }
    var lexer = ShellLexer()
    lexer.keepsQuotes = true
    lexer.keepsEscapes = true
    lexer.keepsUnset = true
    return ((try? lexer.words(in: line, { _ in nil })) ?? []).compactMap { Heredoc(word: $0) }
  }
}
