import EngineErrors
import Foundation

/// Reads one logical line as an instruction.
struct InstructionParser {
  let file: SourceFile
  let escape: UInt8
  var warnings: [LintWarning] = []

  init(_ file: SourceFile, escape: UInt8) {
    self.file = file
    self.escape = escape
  }

  /// What is common to all instructions while one is read.
  struct Request {
    let line: LogicalLine
    let keyword: Keyword
    let flags: InstructionFlags
    /// What follows the flags.
    let rest: Range<Int>
    let position: SourcePosition
    let heredocs: [Heredoc]

    var text: String { line.text(rest) }
    var word: Word { line.word(rest) }
  }

  /// - Parameter readBodies: reads the bodies of the heredocs that the line begins.
  mutating func parse(
    _ line: LogicalLine, comments: [String],
    readBodies: (inout [Heredoc], SourcePosition) throws(EngineError) -> Void
  ) throws(EngineError) -> Instruction {
    let whole = line.trimmed(0..<line.bytes.count)
    let head = keyword(line, whole)
    let keyword = try known(head, in: line)
    let start = head.range.upperBound
    let (flags, rest) = InstructionFlags.take(
      line, start..<whole.upperBound, escape: escape, keyword: keyword.rawValue, file)
    var heredocs: [Heredoc] = []
    let position = line.position(of: whole.lowerBound)
    if try holdsHeredocs(keyword, line, rest) {
      heredocs = Heredoc.all(in: line.text(whole))
      try readBodies(&heredocs, position)
      // Only what is copied as it is may be any bytes.
      let isCopied = keyword == .copy || keyword == .add
      if let odd = heredocs.first(where: { $0.oddPosition != nil && (!isCopied || $0.expands) })?.oddPosition
      {
        throw file.notUTF8(at: odd)
      }
      // A file may have any character in it, and a command may not.
      if keyword == .run, let heredoc = heredocs.first(where: { $0.body.utf8.contains(0) }) {
        throw file.error(
          "the heredoc \(heredoc.name) has a NUL in it", at: position,
          hint: "no command can have one; take it out")
      }
    }
    let request = Request(
      line: line, keyword: keyword, flags: flags, rest: rest, position: position, heredocs: heredocs)
    return Instruction(
      keyword: keyword, written: head.text, range: SourceRange(position, line.position(of: whole.upperBound)),
      source: line.text(whole), comments: comments, content: try content(request))
  }

  private func keyword(_ line: LogicalLine, _ range: Range<Int>) -> (text: String, range: Range<Int>) {
    let end = line.bytes[range].firstIndex { $0.isBlank } ?? range.upperBound
    return (line.text(range.lowerBound..<end), range.lowerBound..<end)
  }

  private func known(_ head: (text: String, range: Range<Int>), in line: LogicalLine)
    throws(EngineError) -> Keyword
  {
    guard let keyword = Keyword(rawValue: head.text.uppercased()) else {
      throw file.error(
        "unknown instruction \(head.text)", at: line.position(of: head.range.lowerBound),
        hint: NearMiss.hint(
          head.text.uppercased(), in: Keyword.allCases.map(\.rawValue)))
    }
    return keyword
  }

  /// RUN, COPY and ADD do, also behind ONBUILD, but not in the form of a list.
  private func holdsHeredocs(_ keyword: Keyword, _ line: LogicalLine, _ rest: Range<Int>) throws(EngineError)
    -> Bool
  {
    switch keyword {
    case .run, .copy, .add: return try list(line, rest) == nil
    case .onbuild:
      let inner = self.keyword(line, rest)
      guard let keyword = Keyword(rawValue: inner.text.uppercased()), keyword != .onbuild else {
        return false
      }
      let (_, rest) = InstructionFlags.take(
        line, inner.range.upperBound..<rest.upperBound, escape: escape, keyword: keyword.rawValue, file)
      return try holdsHeredocs(keyword, line, rest)
    default: return false
    }
  }

  /// A JSON array of strings; nil for anything else.
  ///
  /// - Throws: for an array of anything else, and for a NUL.
  func list(_ line: LogicalLine, _ range: Range<Int>) throws(EngineError) -> [String]? {
    guard !range.isEmpty, line.bytes[range.lowerBound] == UInt8(ascii: "["),
      let array = try? JSONSerialization.jsonObject(with: Data(line.bytes[range])) as? [Any]
    else { return nil }
    var strings: [String] = []
    for element in array {
      guard let string = element as? String else {
        throw file.error(
          "the list has an element that is no string", at: line.position(of: range.lowerBound),
          hint: "put each element in double quotes")
      }
      guard !string.utf8.contains(0) else {
        throw file.error(
          "the list has a NUL in it", at: line.position(of: range.lowerBound),
          hint: "no path, variable or command can have one; take it out")
      }
      strings.append(string)
    }
    return strings
  }

  mutating func warn(_ rule: LintRule, _ message: String, at position: SourcePosition) {
    warnings.append(LintWarning(rule, message, at: position))
  }

  private func content(_ request: Request) throws(EngineError) -> Instruction.Content {
    switch request.keyword {
    case .from: return .from(try baseImage(request))
    case .run: return .run(try run(request))
    case .copy: return .copy(try transfer(request))
    case .add: return .add(try transfer(request))
    case .env: return .env(try assignments(request))
    case .label: return .label(try assignments(request))
    case .arg: return .arg(try arguments(request))
    case .expose: return .expose(try words(request))
    case .user: return .user(try oneWord(request))
    case .workdir: return .workdir(try oneWord(request))
    case .volume: return .volume(try volumes(request))
    case .stopsignal: return .stopSignal(try oneWord(request))
    case .cmd: return .command(try command(request))
    case .entrypoint: return .entrypoint(try command(request))
    case .shell: return .shell(try shell(request))
    case .healthcheck: return .healthcheck(try healthTest(request))
    case .onbuild: return .onBuild(try trigger(request))
    case .maintainer: return .maintainer(try oneWord(request).text)
    }
  }
}
