import EngineErrors

/// The words with `--` in front that may follow an instruction's name.
struct InstructionFlags {
  /// Each without its quotes and escapes.
  private(set) var words: [Word] = []
  private let file: SourceFile
  private let keyword: String

  /// - Returns: the flags, and where what follows them begins.
  static func take(
    _ line: LogicalLine, _ range: Range<Int>, escape: UInt8, keyword: String, _ file: SourceFile
  ) -> (InstructionFlags, rest: Range<Int>) {
    var flags = InstructionFlags(file: file, keyword: keyword)
    var index = range.lowerBound
    let bytes = line.bytes
    while true {
      while index < range.upperBound, bytes[index].isBlank { index += 1 }
      guard index + 1 < range.upperBound, bytes[index] == UInt8(ascii: "-"),
        bytes[index + 1] == UInt8(ascii: "-")
      else { return (flags, line.trimmed(index..<range.upperBound)) }
      let start = index
      var word: [UInt8] = []
      var quote: UInt8?
      while index < range.upperBound {
        let byte = bytes[index]
        index += 1
        if byte == escape {
          if index < range.upperBound {
            word.append(bytes[index])
            index += 1
          }
        } else if let open = quote {
          if byte == open { quote = nil } else { word.append(byte) }
        } else if byte.isBlank {
          break
        } else if byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\"") {
          quote = byte
        } else {
          word.append(byte)
        }
      }
      // What follows it is no flag, whatever it looks like.
      if word.elementsEqual("--".utf8) { return (flags, line.trimmed(index..<range.upperBound)) }
      flags.words.append(Word(String(decoding: word, as: UTF8.self), at: line.position(of: start)))
    }
  }

  private init(file: SourceFile, keyword: String) {
    self.file = file
    self.keyword = keyword
  }

  enum Kind { case flag, value, values }

  /// The values by the flags' names; a flag without one has `true`.
  ///
  /// - Throws: for a flag that the instruction does not have, that is there twice, or lacks its value.
  func parse(_ known: [String: Kind]) throws(EngineError) -> [String: [Word]] {
    var found: [String: [Word]] = [:]
    for word in words {
      let parts = word.text.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let name = String(parts[0])
      let value = parts.count > 1 ? String(parts[1]) : nil
      guard let kind = known[name] else {
        throw file.error(
          "\(keyword) has no flag --\(name)", at: word.position,
          hint: NearMiss.of(name, in: known.keys).map { "did you mean --\($0)?" }
            ?? (known.isEmpty
              ? nil : "it has \(known.keys.sorted().map { "--" + $0 }.joined(separator: ", "))"))
      }
      if found[name] != nil, kind != .values {
        throw file.error("the flag --\(name) is given twice", at: word.position)
      }
      switch kind {
      case .flag:
        let text = value?.lowercased() ?? "true"
        guard text == "true" || text == "false" else {
          throw file.error(
            "the flag --\(name) is true or false, not '\(value ?? "")'", at: word.position)
        }
        found[name] = [Word(text, at: word.position)]
      case .value, .values:
        guard let value else {
          throw file.error(
            "the flag --\(name) has no value", at: word.position, hint: "write --\(name)=VALUE")
        }
        found[name, default: []].append(Word(value, at: word.position))
      }
    }
    return found
  }
}

extension [String: [Word]] {
  func first(_ name: String) -> Word? { self[name]?.first }
  func isTrue(_ name: String) -> Bool { first(name)?.text == "true" }
}
