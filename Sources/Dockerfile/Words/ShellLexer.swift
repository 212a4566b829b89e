/// Takes quotes off words and puts the values of variables into them, as BuildKit does it: much like a shell.
package struct ShellLexer: Sendable {
  package var escape: Unicode.Scalar = "\\"
  /// Quotes stay where they are.
  package var keepsQuotes = false
  /// Quotes are characters like any other.
  package var ignoresQuotes = false
  package var keepsEscapes = false
  /// Variables that have no value stay as they are written.
  package var keepsUnset = false

  package init(escape: Unicode.Scalar = "\\") { self.escape = escape }

  /// What values may add to a word, in bytes: far more than execve(2) takes. Without an end, each line of a file could double
  /// what the one before it has come to.
  package static let longest = 4 << 20
  /// What expanding may come to, in bytes that are written; a character that is compared counts as 16.
  package static let mostWork = 1 << 26

  static func check(length: Int) throws(Failure) {
    guard length > longest else { return }
    throw Failure(message: "the values of its variables come to more than \(longest) bytes")
  }

  /// What is wrong with a word; the caller knows where it is.
  package struct Failure: Error, Hashable {
    package var message: String
    /// What it has come to until then, as `mostWork` counts it.
    package var work = 0
  }

  /// What came of a word.
  package struct Expansion: Hashable, Sendable {
    package var text: String
    /// Names of variables that were looked up.
    package var found: Set<String> = []
    package var missing: Set<String> = []
    /// As `mostWork` counts it.
    package var work = 0
  }

  /// The word with blanks in it kept.
  package func expand(_ text: String, _ lookup: (String) -> String?) throws(Failure) -> Expansion {
    try withoutActuallyEscaping(lookup) { lookup throws(Failure) in
      var scan = ShellScan(text, self, lookup)
      let result: String
      do throws(Failure) { result = try scan.run(until: nil, keepsEscapes: keepsEscapes).text } catch {
        var failure = error
        failure.work = scan.work
        throw failure
      }
      return Expansion(text: result, found: scan.found, missing: scan.missing, work: scan.work)
    }
  }

  /// Splits at blanks that are not quoted, after variables got their values.
  package func words(in text: String, _ lookup: (String) -> String?) throws(Failure) -> [String] {
    try withoutActuallyEscaping(lookup) { lookup throws(Failure) in
      var scan = ShellScan(text, self, collectsWords: true, lookup)
      return try scan.run(until: nil, keepsEscapes: keepsEscapes).words
    }
  }
}

/// One pass of a lexer over one text.
struct ShellScan {
  private let lexer: ShellLexer
  private let scalars: [Unicode.Scalar]
  private var index = 0
  private let lookup: (String) -> String?
  private(set) var found: Set<String> = []
  private(set) var missing: Set<String> = []
  private var keepsEscapes = false
  /// Of substitutions in one another.
  private var depth = 0
  private(set) var work = 0
  /// What values have added, in bytes.
  private var grown = 0

  /// Of a text that is to be split: to go through large values twice takes twice as long.
  private let collectsWords: Bool

  init(
    _ text: String, _ lexer: ShellLexer, collectsWords: Bool = false, _ lookup: @escaping (String) -> String?
  ) {
    self.lexer = lexer
    self.collectsWords = collectsWords
    scalars = Array(text.unicodeScalars)
    self.lookup = lookup
  }

  typealias Failure = ShellLexer.Failure

  private var peeked: Unicode.Scalar? { index < scalars.count ? scalars[index] : nil }

  private mutating func take() -> Unicode.Scalar? {
    guard let scalar = peeked else { return nil }
    index += 1
    return scalar
  }

  /// The words of a text as they grow.
  private struct Words {
    var done: [String] = []
    var current = String.UnicodeScalarView()

    mutating func add(_ scalar: Unicode.Scalar) {
      if scalar.properties.isWhitespace { finish() } else { current.append(scalar) }
    }

    mutating func finish() {
      guard !current.isEmpty else { return }
      done.append(String(current))
      current = .init()
    }
  }

  /// - Parameter stop: what ends the text; the end itself where nil.
  mutating func run(
    until stop: Unicode.Scalar?, keepsEscapes: Bool
  ) throws(Failure) -> (text: String, words: [String]) {
    let outer = self.keepsEscapes
    self.keepsEscapes = keepsEscapes
    defer { self.keepsEscapes = outer }
    var result = ""
    var words = Words()
    while let scalar = peeked {
      if scalar == stop {
        index += 1
        words.finish()
        return (result, words.done)
      }
      switch scalar {
      case "$":
        let value = try dollar()
        result += value
        if collectsWords { value.unicodeScalars.forEach { words.add($0) } }
      case "<":
        let mark = possibleHeredoc()
        result.unicodeScalars += mark
        words.current += mark
      case "'" where !lexer.ignoresQuotes:
        let part = try singleQuoted()
        result.unicodeScalars += part
        words.current += part
      case "\"" where !lexer.ignoresQuotes:
        let part = try doubleQuoted()
        result.unicodeScalars += part
        words.current += part
      case lexer.escape:
        index += 1
        if keepsEscapes {
          result.unicodeScalars.append(scalar)
          words.current.append(scalar)
        }
        // At the end it means nothing.
        guard let escaped = take() else { break }
        result.unicodeScalars.append(escaped)
        words.current.append(escaped)
      default:
        index += 1
        result.unicodeScalars.append(scalar)
        words.add(scalar)
      }
    }
    if let stop { throw Failure(message: "there is no \(stop) to end the substitution") }
    words.finish()
    return (result, words.done)
  }

  private mutating func singleQuoted() throws(Failure) -> String.UnicodeScalarView {
    try quoted { scan, result in
      while let scalar = scan.take() {
        if scalar == "'" { return true }
        result.append(scalar)
      }
      return false
    }
  }

  private mutating func doubleQuoted() throws(Failure) -> String.UnicodeScalarView {
    try quoted { scan, result throws(Failure) in
      while let scalar = scan.peeked {
        if scalar == "$" {
          result += try scan.dollar().unicodeScalars
          continue
        }
        scan.index += 1
        if scalar == "\"" { return true }
        guard scalar == scan.lexer.escape else {
          result.append(scalar)
          continue
        }
        if scan.keepsEscapes { result.append(scalar) }
        // Before any other character it is one itself.
        switch scan.peeked {
        case nil: break
        case "\""?, "$"?, scan.lexer.escape?: if let escaped = scan.take() { result.append(escaped) }
        default: result.append(scalar)
        }
      }
      return false
    }
  }

  /// - Parameter body: says whether it came to the closing quote.
  private mutating func quoted(
    _ body: (inout ShellScan, inout String.UnicodeScalarView) throws(Failure) -> Bool
  ) throws(Failure) -> String.UnicodeScalarView {
    var result = String.UnicodeScalarView()
    guard let quote = take() else { return result }
    if lexer.keepsQuotes { result.append(quote) }
    guard try body(&self, &result) else {
      throw Failure(message: "a \(quote == "'" ? "single" : "double") quote is not closed")
    }
    if lexer.keepsQuotes { result.append(quote) }
    return result
  }

  /// The `<<` of a heredoc, with the blanks between it and the name: both are one word.
  private mutating func possibleHeredoc() -> String.UnicodeScalarView {
    index += 1
    guard peeked == "<" else { return .init("<".unicodeScalars) }
    index += 1
    var mark = "<<".unicodeScalars
    while let blank = peeked, blank == " " || blank == "\t" || blank == "\r" {
      mark.append(blank)
      index += 1
    }
    return mark
  }

  private mutating func dollar() throws(Failure) -> String {
    index += 1
    guard peeked == "{" else {
      let name = name()
      if name.isEmpty { return "$" }
      if let value = try value(of: name) { return value }
      return lexer.keepsUnset ? "$" + name : ""
    }
    index += 1
    guard depth < Self.deepest else { throw Failure(message: "substitutions are too deep in one another") }
    depth += 1
    defer { depth -= 1 }
    return try braced()
  }

  private static let deepest = 64

  /// A name of letters, digits and `_`; a number; or one of the shell's special ones.
  private mutating func name() -> String {
    guard let first = peeked else { return "" }
    var name = String.UnicodeScalarView()
    func isDigit(_ scalar: Unicode.Scalar) -> Bool { scalar.properties.generalCategory == .decimalNumber }
    if isDigit(first) {
      while let digit = peeked, isDigit(digit) {
        name.append(digit)
        index += 1
      }
    } else if "@*#?-$!".unicodeScalars.contains(first) {
      name.append(first)
      index += 1
    } else {
      while let scalar = peeked,
        scalar == "_" || scalar.properties.isAlphabetic || isDigit(scalar)
      {
        name.append(scalar)
        index += 1
      }
    }
    return String(name)
  }

  private mutating func value(of name: String) throws(Failure) -> String? {
    guard let value = lookup(name) else {
      missing.insert(name)
      return nil
    }
    found.insert(name)
    try grow(by: value)
    return value
  }

  private mutating func grow(by value: String) throws(Failure) {
    work += value.utf8.count
    grown += value.utf8.count
    try ShellLexer.check(length: grown)
  }
}

// MARK: - ${…}

extension ShellScan {
  fileprivate mutating func braced() throws(Failure) -> String {
    switch peeked {
    case nil: throw Self.unclosed
    case "{"?, "}"?, ":"?: throw Failure(message: "bad substitution: there is no name behind ${")
    default: break
    }
    let name = name()
    guard var mark = take() else { throw Self.unclosed }
    switch mark {
    case "}":
      if let value = try value(of: name) { return value }
      return lexer.keepsUnset ? "${\(name)}" : ""
    case "/": return try replaced(name)
    default: break
    }
    let emptyIsUnset = mark == ":"
    if emptyIsUnset {
      guard let next = take() else { throw Self.unclosed }
      mark = next
    }
    let written = (emptyIsUnset ? ":" : "") + String(mark)
    let isPattern = mark == "#" || mark == "%"
    guard !name.isEmpty, isPattern ? !emptyIsUnset : "+-?".unicodeScalars.contains(mark) else {
      throw Failure(message: "unsupported modifier \(written) in a substitution")
    }
    let word: String
    do {
      word = try run(until: "}", keepsEscapes: isPattern).text
    } catch {
      throw peeked == nil ? Self.unclosed : error
    }
    let value = try value(of: name)
    if lexer.keepsUnset, value == nil { return "${\(name)\(written)\(word)}" }
    let isSet = value.map { !(emptyIsUnset && $0.isEmpty) } ?? false
    switch mark {
    case "-": return isSet ? value ?? "" : word
    case "+": return isSet ? word : ""
    case "?":
      if isSet, let value { return value }
      let state = value == nil ? "unset" : "empty"
      throw Failure(message: "\(name): \(word.isEmpty ? "is not allowed to be \(state)" : word)")
    default: return try trimmed(value ?? "", word, mark)
    }
  }

  private static var unclosed: Failure { Failure(message: "a substitution that begins with ${ has no }") }

  /// `#` and `##` from the front, `%` and `%%` from the end; the doubled ones take as much as they can.
  private mutating func trimmed(_ value: String, _ pattern: String, _ mark: Unicode.Scalar) throws(Failure)
    -> String
  {
    var pattern = Array(pattern.unicodeScalars)
    let longest = pattern.first == mark
    if longest { pattern.removeFirst() }
    var matcher = try ShellPattern(pattern)
    var text = Array(value.unicodeScalars)
    if mark == "%" {
      matcher.reverse()
      text.reverse()
    }
    let ends = try matcher.ends(in: text[...], &work)
    guard let end = longest ? ends.last : ends.first else { return value }
    let rest = text[end...]
    return String(String.UnicodeScalarView(mark == "%" ? Array(rest.reversed()) : Array(rest)))
  }

  private mutating func replaced(_ name: String) throws(Failure) -> String {
    let all = peeked == "/"
    if all { index += 1 }
    let pattern: String
    let replacement: String
    do {
      pattern = try run(until: "/", keepsEscapes: true).text
      replacement = try run(until: "}", keepsEscapes: true).text
    } catch {
      throw peeked == nil
        ? Failure(message: "a replacement has the form ${name/pattern/text}, and an end is missing") : error
    }
    guard let value = try value(of: name) else {
      return lexer.keepsUnset ? "${\(name)/\(all ? "/" : "")\(pattern)/\(replacement)}" : ""
    }
    let matcher = try ShellPattern(Array(pattern.unicodeScalars))
    let result = try matcher.replace(in: value, with: replacement, all: all, &work)
    try grow(by: result)
    return result
  }
}
