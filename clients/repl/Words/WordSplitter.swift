import RPCModel

/// Splits a line into words as a shell does: blanks part words, quotes and backslashes keep them together.
struct WordSplitter {
  /// The commands of a text, each as its words. `;` and line breaks end a command, `#` begins a comment.
  static func commands(_ text: String) throws -> [[String]] {
    var commands: [[String]] = []
    var words: [String] = []
    var word: String?
    var quote: Character?
    var characters = text.makeIterator()
    func endWord() {
      if let done = word { words.append(done) }
      word = nil
    }
    func endCommand() {
      endWord()
      if !words.isEmpty { commands.append(words) }
      words = []
    }
    while let character = characters.next() {
      switch (quote, character) {
      case ("'"?, "'"), ("\""?, "\""):
        quote = nil
      case ("'"?, _):
        word?.append(character)
      case (_, "\\"):
        guard let next = characters.next() else { throw unfinished("a backslash", "write two for one") }
        // A line break behind a backslash joins two lines.
        if next.isNewline { continue }
        if quote != nil, next != "\"", next != "\\", next != "$" { word?.append("\\") }
        word = (word ?? "") + String(next)
      case ("\""?, _):
        word?.append(character)
      case (_, "'"), (_, "\""):
        quote = character
        word = word ?? ""
      case (_, ";"):
        endCommand()
      case (_, _) where character.isNewline:
        endCommand()
      case (_, "#") where word == nil:
        while let next = characters.next(), !next.isNewline {}
        endCommand()
      case (_, _) where character.isWhitespace:
        endWord()
      default:
        word = (word ?? "") + String(character)
      }
    }
    if let quote {
      throw unfinished(
        "the quotation that begins with \(quote)", "end it, or put a backslash before the mark")
    }
    endCommand()
    return commands
  }

  private static func unfinished(_ what: String, _ hint: String) -> RPCError {
    RPCError(.invalidArgument, "\(what) has no end", hint: hint)
  }
}
