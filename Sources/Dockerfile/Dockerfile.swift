package import EngineErrors

/// A Dockerfile as it is written: its stages and their instructions, none of them carried out.
package struct Dockerfile: Hashable, Sendable {
  package let file: SourceFile
  package var directives: Directives
  /// Before the first FROM; their values are for FROMs, and for stages that ask for them by name.
  package let arguments: [Instruction]
  /// At least one.
  package let stages: [Stage]
  /// What was odd while it was read; `Linter` has the rest.
  package let warnings: [LintWarning]
  /// Those that have a name, in ascending order.
  private let stagesByName: [String: [Int]]

  package struct Stage: Hashable, Sendable {
    package var base: BaseImage
    package var from: Instruction
    /// Without FROM.
    package var instructions: [Instruction]
    package var name: String? { base.name }
  }

  /// Takes as long as the file is large: for a thread of its own.
  ///
  /// - Parameters:
  ///   - name: what errors call the file.
  ///   - isCancelled: is asked now and then; ends it with `cancelled`.
  /// - Throws: `invalidArgument` with file, line and column in front, and the near miss as its hint.
  package init(
    parsing bytes: [UInt8], name: String = "Dockerfile", isCancelled: @escaping () -> Bool = { false }
  ) throws(EngineError) {
    let file = SourceFile(name)
    self.file = file
    var reader = try LineReader(bytes, file, isCancelled: isCancelled)
    var arguments: [Instruction] = []
    var stages: [Stage] = []
    while let (line, comments) = try reader.nextLine() {
      try reader.checkCancellation()
      var parser = InstructionParser(file, escape: reader.escape)
      let instruction = try parser.parse(line, comments: comments) {
        (heredocs, position) throws(EngineError) in
        for index in heredocs.indices { try reader.readBody(of: &heredocs[index], at: position) }
      }
      if case .from(let base) = instruction.content {
        stages.append(Stage(base: base, from: instruction, instructions: []))
      } else if !stages.isEmpty {
        stages[stages.count - 1].instructions.append(instruction)
      } else if case .arg = instruction.content {
        arguments.append(instruction)
      } else {
        throw file.error(
          "\(instruction.keyword.rawValue) comes before the first FROM", at: instruction.range.start,
          hint: "begin with FROM; only ARG may be before it")
      }
    }
    guard !stages.isEmpty else {
      throw file.error(
        "there is no FROM", at: SourcePosition(line: max(1, reader.currentLine), column: 1),
        hint: "begin with FROM")
    }
    directives = reader.directives
    self.arguments = arguments
    self.stages = stages
    stagesByName = Dictionary(
      grouping: stages.indices.filter { stages[$0].name != nil }, by: { stages[$0].name ?? "" })
    warnings = reader.warnings
  }

  /// Reads what ONBUILD of an image below gave.
  ///
  /// - Parameter position: of the FROM that brings it.
  package static func trigger(
    _ text: String, at range: SourceRange, _ file: SourceFile
  ) throws(EngineError) -> Instruction {
    let origin = SourceFile("\(file.name):\(range.start): ONBUILD")
    var reader = try LineReader(Array(text.utf8), origin)
    guard let (line, _) = try reader.nextLine() else {
      throw origin.error("the instruction is empty", at: SourcePosition(line: 1, column: 1))
    }
    var parser = InstructionParser(origin, escape: UInt8(ascii: "\\"))
    var instruction = try parser.parse(line, comments: []) { (heredocs, position) throws(EngineError) in
      for index in heredocs.indices { try reader.readBody(of: &heredocs[index], at: position) }
    }
    guard try reader.nextLine() == nil else {
      throw origin.error("it has more than one instruction", at: SourcePosition(line: 1, column: 1))
    }
    switch instruction.content {
    case .onBuild, .from, .maintainer:
      throw origin.error("\(instruction.keyword.rawValue) cannot be there", at: instruction.range.start)
    default: break
    }
    instruction.range = range
    instruction.isTrigger = true
    return instruction
  }

  /// The stage of a name, or of a number as COPY and mounts know it, of those before `limit`.
  package func stage(_ name: String, before limit: Int) -> Int? {
    let wanted = name.lowercased()
    if let index = stagesByName[wanted]?.last(where: { $0 < limit }) { return index }
    return Int(name).flatMap { stages.prefix(limit).indices.contains($0) ? $0 : nil }
  }

  /// The stage that a build is for: the last one where none is named.
  ///
  /// - Throws: `notFound` with the near miss.
  package func target(_ name: String?) throws(EngineError) -> Int {
    guard let name, !name.isEmpty else { return stages.count - 1 }
    if let index = stage(name, before: stages.count) { return index }
    throw EngineError(
      .notFound, "\(file.name) has no stage \(name)", subject: name,
      hint: NearMiss.hint(name.lowercased(), in: stages.compactMap(\.name)))
  }
}
