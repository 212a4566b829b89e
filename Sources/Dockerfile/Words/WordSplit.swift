/// Splits an instruction's rest, and leaves quotes and escapes in it: they are taken off when variables get their values.
enum WordSplit {
  /// At blanks alone.
  static func atBlanks(_ line: LogicalLine, _ range: Range<Int>) -> [Word] {
    var words: [Word] = []
    var start: Int?
    for index in range {
      if line.bytes[index].isBlank {
        if let begin = start { words.append(line.word(begin..<index)) }
        start = nil
      } else if start == nil {
        start = index
      }
    }
    if let start { words.append(line.word(start..<range.upperBound)) }
    return words
  }

  /// At blanks that are neither quoted nor escaped.
  static func respectingQuotes(_ line: LogicalLine, _ range: Range<Int>, escape: UInt8) -> [Word] {
    var words: [Word] = []
    var index = range.lowerBound
    while true {
      while index < range.upperBound, line.bytes[index].isBlank { index += 1 }
      guard index < range.upperBound else { return words }
      let start = index
      var quote: UInt8?
      while index < range.upperBound {
        let byte = line.bytes[index]
        if let open = quote {
          if byte == open { quote = nil }
          if byte == escape, open != UInt8(ascii: "'") { index += 1 }
        } else if byte.isBlank {
          break
        } else if byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\"") {
          quote = byte
        } else if byte == escape {
          index += 1
        }
        index += 1
      }
      index = min(index, range.upperBound)
      words.append(line.word(start..<index))
    }
  }
}
