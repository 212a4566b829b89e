package import EngineErrors

/// The variables of a stage as they are at one of its instructions.
package struct StageScope: Hashable, Sendable {
  /// Of ENV and of ARG, whichever came last.
  package private(set) var variables: Variables
  /// What the image will have: of the image below and of ENV.
  package private(set) var environment: Variables
  /// The names of the arguments that were declared, and their values where they have one.
  package private(set) var arguments: [(name: String, value: String?)] = []
  /// The same without their values.
  private var argumentNames: Set<String> = []
  private let global: GlobalScope
  /// Of all that was expanded so far; see `ShellLexer.mostWork`.
  private var work = 0
  /// It has come to so much that nothing is expanded any more.
  var isExhausted: Bool { work > ShellLexer.mostWork }

  package static func == (left: Self, right: Self) -> Bool {
    left.variables == right.variables && left.environment == right.environment
      && left.arguments.elementsEqual(right.arguments) { $0.name == $1.name && $0.value == $1.value }
      && left.global == right.global
  }

  package func hash(into hasher: inout Hasher) {
    hasher.combine(variables)
    hasher.combine(environment)
  }

  /// - Parameter environment: of the image below, as `NAME=value`.
  package init(_ global: GlobalScope, environment: [String]) {
    self.global = global
    self.environment = Variables(environment)
    variables = self.environment
  }

  /// A stage on top of another stage, whose arguments it has as well.
  package init(on base: StageScope) { self = base }

  /// What was looked up and was not there, by one instruction.
  package struct Missing: Hashable, Sendable {
    package var name: String
    package var position: SourcePosition
  }

  /// Gives the variables of an instruction their values, and takes in what it sets itself.
  ///
  /// - Parameter missing: gets the variables that have no value.
  /// - Returns: the instruction as it is carried out: its words without quotes.
  package mutating func expand(
    _ instruction: Instruction, missing: inout [Missing]
  ) throws(EngineError) -> Instruction {
    var result = instruction
    var lookups = Lookups(work: work)
    defer {
      missing += lookups.missing
      work = lookups.work
    }
    switch instruction.content {
    case .env(let assignments):
      let expanded = try expand(assignments, &lookups)
      for assignment in expanded {
        variables[assignment.name.text] = assignment.value.text
        environment[assignment.name.text] = assignment.value.text
      }
      result.content = .env(expanded)
    case .arg(let declarations):
      var expanded: [ArgumentDeclaration] = []
      for declaration in declarations { expanded.append(try declare(declaration, &lookups)) }
      result.content = .arg(expanded)
    case .label(let assignments): result.content = .label(try expand(assignments, &lookups))
    case .expose(let words):
      var ports: [Word] = []
      for word in words {
        for port in try split(word, &lookups) { ports.append(Word(port, at: word.position)) }
      }
      result.content = .expose(ports)
    case .user(let word): result.content = .user(try expand(word, &lookups))
    case .workdir(let word): result.content = .workdir(try expand(word, &lookups))
    case .volume(let words): result.content = .volume(try expand(words, &lookups))
    case .stopSignal(let word): result.content = .stopSignal(try expand(word, &lookups))
    case .copy(let transfer): result.content = .copy(try expand(transfer, &lookups))
    case .add(let transfer): result.content = .add(try expand(transfer, &lookups))
    case .run(var step):
      var mounts: [RunMount] = []
      for mount in step.mounts {
        mounts.append(
          try RunMount(expanding: mount.word, global.file) { (word) throws(EngineError) in
            try expand(word, &lookups).text
          })
      }
      step.mounts = mounts
      result.content = .run(step)
    case .from, .command, .entrypoint, .shell, .healthcheck, .onBuild, .maintainer: break
    }
    return result
  }

  private struct Lookups {
    var missing: [Missing] = []
    var work: Int
  }

  private func note(_ names: Set<String>, _ position: SourcePosition, _ lookups: inout Lookups) {
    for name in names.sorted() where !argumentNames.contains(name) {
      lookups.missing.append(Missing(name: name, position: position))
    }
  }

  private func expand(_ word: Word, _ lookups: inout Lookups) throws(EngineError) -> Word {
    let lexer = ShellLexer(escape: global.escape)
    let expansion = try global.file.expand(word, lexer, &lookups.work) { variables[$0] }
    note(expansion.missing, word.position, &lookups)
    return Word(expansion.text, at: word.position)
  }

  private func expand(_ words: [Word], _ lookups: inout Lookups) throws(EngineError) -> [Word] {
    var expanded: [Word] = []
    for word in words { expanded.append(try expand(word, &lookups)) }
    return expanded
  }

  private func expandOptional(_ word: Word?, _ lookups: inout Lookups) throws(EngineError) -> Word? {
    guard let word else { return nil }
    return try expand(word, &lookups)
  }

  private func split(_ word: Word, _ lookups: inout Lookups) throws(EngineError) -> [String] {
    let lexer = ShellLexer(escape: global.escape)
    let expansion = try global.file.expand(word, lexer, &lookups.work) { variables[$0] }
    note(expansion.missing, word.position, &lookups)
    return try global.file.words(word, lexer) { variables[$0] }
  }

  private func expand(_ assignments: [Assignment], _ lookups: inout Lookups) throws(EngineError)
    -> [Assignment]
  {
    // All of one instruction see the variables as they were before it.
    var expanded: [Assignment] = []
    for var assignment in assignments {
      assignment.name = try expand(assignment.name, &lookups)
      assignment.value = try expand(assignment.value, &lookups)
      expanded.append(assignment)
    }
    return expanded
  }

  /// A value that is given wins over the file's own; one without either has that of the global argument.
  private mutating func declare(
    _ declaration: ArgumentDeclaration, _ lookups: inout Lookups
  ) throws(EngineError) -> ArgumentDeclaration {
    var declaration = declaration
    let name = declaration.name.text
    if let given = global.inputs.arguments[name] {
      declaration.value = Word(given, at: declaration.name.position)
    } else if let value = declaration.value {
      declaration.value = try expand(value, &lookups)
    } else if let value = global.variables[name] {
      declaration.value = Word(value, at: declaration.name.position)
    }
    if let value = declaration.value { variables[name] = value.text }
    arguments.append((name, declaration.value?.text))
    argumentNames.insert(name)
    return declaration
  }

  private func expand(_ transfer: Transfer, _ lookups: inout Lookups) throws(EngineError) -> Transfer {
    var transfer = transfer
    transfer.sources = try expand(transfer.sources, &lookups)
    transfer.destination = try expand(transfer.destination, &lookups)
    transfer.owner = try expandOptional(transfer.owner, &lookups)
    transfer.mode = try expandOptional(transfer.mode, &lookups)
    transfer.checksum = try expandOptional(transfer.checksum, &lookups)
    for (index, file) in transfer.inline.enumerated() where file.expands {
      var lexer = ShellLexer()
      lexer.ignoresQuotes = true
      let word = Word(file.content, at: transfer.destination.position)
      let expansion = try global.file.expand(word, lexer, &lookups.work) { variables[$0] }
      note(expansion.missing, word.position, &lookups)
      transfer.inline[index].content = expansion.text
    }
    return transfer
  }
}
