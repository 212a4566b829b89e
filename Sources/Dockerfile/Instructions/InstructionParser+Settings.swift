import EngineErrors

/// Instructions that change what an image says of itself.
extension InstructionParser {
  private func missing(_ request: Request, _ what: String, hint: String? = nil) -> EngineError {
    file.error("\(request.keyword.rawValue) needs \(what)", at: request.position, hint: hint)
  }

  func words(_ request: Request) throws(EngineError) -> [Word] {
    _ = try request.flags.parse([:])
    guard !request.rest.isEmpty else { throw missing(request, "at least one argument") }
    return WordSplit.atBlanks(request.line, request.rest)
  }

  /// All that is there is one word, blanks and all.
  func oneWord(_ request: Request) throws(EngineError) -> Word {
    _ = try request.flags.parse([:])
    guard !request.rest.isEmpty else { throw missing(request, "an argument") }
    return request.word
  }

  func volumes(_ request: Request) throws(EngineError) -> [Word] {
    guard let list = try list(request.line, request.rest) else { return try words(request) }
    _ = try request.flags.parse([:])
    guard !list.isEmpty else { throw missing(request, "at least one argument") }
    guard !list.contains(where: { $0.trimmingBlanks().isEmpty }) else {
      throw file.error("a volume's path is empty", at: request.word.position)
    }
    return list.map { Word($0.trimmingBlanks(), at: request.word.position) }
  }

  func shell(_ request: Request) throws(EngineError) -> [String] {
    _ = try request.flags.parse([:])
    guard !request.rest.isEmpty else { throw missing(request, "at least one argument") }
    guard let list = try list(request.line, request.rest) else {
      throw missing(request, "its arguments as a list", hint: "write it as SHELL [\"/bin/sh\", \"-c\"]")
    }
    guard !list.isEmpty else { throw missing(request, "at least one argument") }
    return list
  }

  func command(_ request: Request) throws(EngineError) -> StepCommand {
    _ = try request.flags.parse([:])
    return try commandLine(request, request.rest)
  }

  /// - Parameter range: where the command is in the line.
  func commandLine(_ request: Request, _ range: Range<Int>) throws(EngineError) -> StepCommand {
    if let list = try list(request.line, range) { return .exec(list) }
    return .shell(request.line.text(range), heredocs: request.heredocs)
  }

  func assignments(_ request: Request) throws(EngineError) -> [Assignment] {
    _ = try request.flags.parse([:])
    let words = WordSplit.respectingQuotes(request.line, request.rest, escape: escape)
    guard let first = words.first else { throw missing(request, "at least one argument") }
    guard first.text.contains("=") else {
      // `NAME value`: the value is all of the rest.
      let plain = WordSplit.atBlanks(request.line, request.rest)
      guard plain.count > 1 else {
        throw missing(
          request, "a name and a value", hint: "write it as \(request.keyword.rawValue) \(first.text)=VALUE")
      }
      let start = request.rest.lowerBound + plain[0].text.utf8.count
      let value = request.line.trimmed(start..<request.rest.upperBound)
      return [Assignment(name: plain[0], value: request.line.word(value), isLegacy: true)]
    }
    var assignments: [Assignment] = []
    for word in words {
      guard let (name, value) = split(word) else {
        throw file.error(
          "'\(word.text)' has no =", at: word.position,
          hint: "write it as NAME=VALUE; a value with blanks in it needs quotes")
      }
      guard !name.text.isEmpty else { throw file.error("a name is empty", at: word.position) }
      assignments.append(Assignment(name: name, value: value))
    }
    return assignments
  }

  func arguments(_ request: Request) throws(EngineError) -> [ArgumentDeclaration] {
    _ = try request.flags.parse([:])
    let words = WordSplit.respectingQuotes(request.line, request.rest, escape: escape)
    guard !words.isEmpty else { throw missing(request, "at least one argument") }
    var declarations: [ArgumentDeclaration] = []
    for word in words {
      guard let (name, value) = split(word) else {
        declarations.append(ArgumentDeclaration(name: word))
        continue
      }
      guard !name.text.isEmpty else { throw file.error("a name is empty", at: word.position) }
      declarations.append(ArgumentDeclaration(name: name, value: value))
    }
    return declarations
  }

  private func split(_ word: Word) -> (name: Word, value: Word)? {
    guard let equals = word.text.firstIndex(of: "=") else { return nil }
    let name = String(word.text[..<equals])
    let position = SourcePosition(
      line: word.position.line, column: word.position.column + name.unicodeScalars.count + 1)
    return (
      Word(name, at: word.position), Word(String(word.text[word.text.index(after: equals)...]), at: position)
    )
  }

  func healthTest(_ request: Request) throws(EngineError) -> HealthTest {
    let rest = request.rest
    guard !rest.isEmpty else { throw missing(request, "NONE, or CMD and a command") }
    let end = request.line.bytes[rest].firstIndex { $0.isBlank } ?? rest.upperBound
    let kind = request.line.text(rest.lowerBound..<end)
    let command = request.line.trimmed(end..<rest.upperBound)
    let flags = try request.flags.parse([
      "interval": .value, "timeout": .value, "start-period": .value, "start-interval": .value,
      "retries": .value,
    ])
    switch kind.uppercased() {
    case "NONE":
      guard command.isEmpty else {
        throw file.error(
          "HEALTHCHECK NONE has no arguments", at: request.line.position(of: command.lowerBound))
      }
      return HealthTest()
    case "CMD": break
    default:
      throw file.error(
        "HEALTHCHECK needs CMD or NONE, not \(kind)", at: request.word.position,
        hint: NearMiss.hint(kind.uppercased(), in: ["CMD", "NONE"]) ?? "write HEALTHCHECK CMD \(request.text)"
      )
    }
    guard !command.isEmpty else { throw missing(request, "a command behind CMD") }
    var test = HealthTest(command: try commandLine(request, command))
    if case .exec([]) = test.command { throw missing(request, "a command behind CMD") }
    test.interval = try duration("interval", flags)
    test.timeout = try duration("timeout", flags)
    test.startPeriod = try duration("start-period", flags)
    test.startInterval = try duration("start-interval", flags)
    if let word = flags.first("retries"), !word.text.isEmpty {
      guard let retries = Int32(word.text), retries >= 0 else {
        throw file.error("--retries is a number of times, not '\(word.text)'", at: word.position)
      }
      test.retries = Int64(retries)
    }
    return test
  }

  private func duration(_ name: String, _ flags: [String: [Word]]) throws(EngineError) -> Int64 {
    guard let word = flags.first(name), !word.text.isEmpty else { return 0 }
    guard let time = GoDuration.nanoseconds(word.text) else {
      throw file.error(
        "--\(name) is a length of time, not '\(word.text)'", at: word.position,
        hint: "write it as 30s or 1m30s")
    }
    guard time == 0 || time >= 1_000_000 else {
      throw file.error(
        "--\(name) is less than a millisecond", at: word.position,
        hint: "write it as 30s or 1m30s; 0 leaves it as it is")
    }
    return time
  }

  func trigger(_ request: Request) throws(EngineError) -> String {
    _ = try request.flags.parse([:])
    guard !request.rest.isEmpty else { throw missing(request, "an instruction") }
    // It is read in full only by builds from the image; what it never could be is told now.
    let end = request.line.bytes[request.rest].firstIndex { $0.isBlank } ?? request.rest.upperBound
    let word = request.line.word(request.rest.lowerBound..<end)
    switch Keyword(rawValue: word.text.uppercased()) {
    case nil:
      throw file.error(
        "unknown instruction \(word.text)", at: word.position,
        hint: NearMiss.hint(word.text.uppercased(), in: Keyword.allCases.map(\.rawValue)))
    case .onbuild, .from, .maintainer:
      throw file.error("\(word.text.uppercased()) cannot be behind ONBUILD", at: word.position)
    default: break
    }
    return request.heredocs.reduce(into: request.text) { $0 += "\n" + $1.body + $1.name }
  }
}
