import EngineErrors

/// What is checked of the instructions of one stage.
extension Linter {
  /// What can be seen without variables.
  mutating func checkWords(_ stage: Dockerfile.Stage) {
    checkDescription("FROM", stage.base.name.map { [$0] } ?? [], stage.from)
    var last: [Keyword: Instruction] = [:]
    var hasShell = false
    for instruction in stage.instructions {
      let keyword = instruction.keyword
      switch instruction.content {
      case .maintainer:
        warn(
          .maintainerDeprecated, instruction, "Maintainer instruction is deprecated in favor of using label")
      case .shell: hasShell = true
      case .command(.shell), .entrypoint(.shell):
        guard !hasShell else { break }
        warn(
          .jsonArgsRecommended, instruction,
          "JSON arguments recommended for \(keyword.rawValue) to prevent unintended behavior related to OS signals"
        )
      case .env(let assignments):
        checkLegacy(assignments, instruction)
        checkSecrets(assignments.map(\.name.text), instruction)
      case .label(let assignments): checkLegacy(assignments, instruction)
      case .arg(let declarations):
        checkSecrets(declarations.map(\.name.text), instruction)
        checkDescription("ARG", declarations.map(\.name.text), instruction)
      default: break
      }
      guard [.cmd, .entrypoint, .healthcheck].contains(keyword) else { continue }
      // The earlier one is what has no effect.
      if let earlier = last.updateValue(instruction, forKey: keyword) {
        warn(
          .multipleInstructionsDisallowed, earlier,
          "Multiple \(keyword.rawValue) instructions should not be used in the same stage because only the last one will be used"
        )
      }
    }
  }

  private mutating func checkLegacy(_ assignments: [Assignment], _ instruction: Instruction) {
    guard assignments.contains(where: \.isLegacy) else { return }
    let name = instruction.keyword.rawValue
    warn(
      .legacyKeyValueFormat, instruction,
      "\"\(name) key=value\" should be used instead of legacy \"\(name) key value\" format")
  }

  private mutating func checkSecrets(_ names: [String], _ instruction: Instruction) {
    for name in names {
      let parts = name.lowercased().split(separator: "_", omittingEmptySubsequences: false).map(String.init)
      guard parts.contains(where: Self.secretive.contains),
        !parts.contains(where: ["public", "file", "version"].contains)
      else { continue }
      warn(
        .secretsUsedInArgOrEnv, instruction,
        "Do not use ARG or ENV instructions for sensitive data (\(instruction.keyword.rawValue) \"\(name)\")")
    }
  }

  private static let secretive: Set<String> = [
    "apikey", "auth", "credential", "credentials", "key", "password", "pword", "passwd", "secret", "token",
  ]

  private mutating func checkDescription(_ what: String, _ names: [String], _ instruction: Instruction) {
    guard let comment = instruction.comments.last, let first = names.first else { return }
    if names.contains(String(comment.prefix { $0 != " " })) { return }
    warn(
      .invalidDefinitionDescription, instruction,
      "Comment for \(what) should follow the format: `# \(names.count > 1 ? "<arg_key>" : first) <description>`"
    )
  }

  /// What depends on variables.
  ///
  /// - Parameters:
  ///   - scope: nil where what the stage begins with is not known.
  ///   - hasWorkingDirectory: whether a WORKDIR of the file came before, also in a stage that this one begins with.
  mutating func checkSteps(
    _ stage: Dockerfile.Stage, scope: inout StageScope?, hasWorkingDirectory: inout Bool, ignored: IgnoreRules
  ) {
    for instruction in stage.instructions {
      if isCancelled() { return }
      var expanded = instruction
      // Taken out of it, so that it is not copied for each of them.
      if var known = scope.take() {
        var missing: [StageScope.Missing] = []
        let count = known.variables.entries.count
        // An error in a word is reported by the build itself.
        if let result = try? known.expand(instruction, missing: &missing) { expanded = result }
        // Those that were there before it: what is new comes behind them.
        let names = missing.isEmpty ? [] : known.variables.entries.prefix(count).map(\.name)
        if !known.isExhausted { scope = known }
        for name in Set(missing.map(\.name)).sorted() where !isCancelled() {
          let hint = NearMiss.of(name, in: names).map { " (did you mean $\($0)?)" } ?? ""
          warn(.undefinedVar, instruction, "Usage of undefined variable '$\(name)'\(hint)")
        }
      }
      switch expanded.content {
      case .workdir(let word):
        // The first one alone: all others are put right by it.
        if !hasWorkingDirectory, !word.text.hasPrefix("/"), !word.text.hasPrefix("$") {
          warn(
            .workdirRelativePath, instruction,
            "Relative workdir \"\(word.text)\" can have unexpected results if the base image changes")
        }
        hasWorkingDirectory = true
      case .expose(let words): checkPorts(words, instruction)
      case .copy(let transfer) where transfer.from == nil: checkSources(transfer, instruction, ignored)
      case .add(let transfer): checkSources(transfer, instruction, ignored)
      default: break
      }
    }
  }

  private mutating func checkPorts(_ words: [Word], _ instruction: Instruction) {
    for word in words {
      guard let (_, oddities) = ExposedPort.parse(word.text) else { continue }
      if oddities.contains(.casing) {
        warn(
          .exposeProtoCasing, instruction,
          "Defined protocol '\(word.text)' in EXPOSE instruction should be lowercase")
      }
      if oddities.contains(.mapping) {
        warn(
          .exposeInvalidFormat, instruction,
          "EXPOSE instruction should not define an IP address or host-port mapping, found '\(word.text)'")
      }
    }
  }

  private mutating func checkSources(
    _ transfer: Transfer, _ instruction: Instruction, _ ignored: IgnoreRules
  ) {
    guard !ignored.isEmpty else { return }
    for source in transfer.sources where !source.text.contains("://") && !isCancelled() {
      let path = IgnoreRules.clean(source.text)
      guard path != ".", !path.hasPrefix(".."), ignored.verdict(path).isIgnored else { continue }
      warn(
        .copyIgnoredFile, instruction,
        "Attempting to \(instruction.keyword == .add ? "Add" : "Copy") file \"\(source.text)\" that is excluded by .dockerignore"
      )
    }
  }
}
