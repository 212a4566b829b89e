import EngineErrors

/// Checks a Dockerfile by BuildKit's rules.
package struct Linter {
  private let dockerfile: Dockerfile
  private let global: GlobalScope
  private(set) var warnings: [LintWarning] = []
  /// Nobody waits for more.
  let isCancelled: () -> Bool
  /// Of what FROMs come to; see `ShellLexer.mostWork`.
  private var work = 0

  init(_ dockerfile: Dockerfile, _ global: GlobalScope, isCancelled: @escaping () -> Bool = { false }) {
    self.dockerfile = dockerfile
    self.global = global
    self.isCancelled = isCancelled
  }

  /// All that can be said of a file without its images, in the file's order. Takes as long as the file is large: for a thread of
  /// its own.
  ///
  /// - Parameters:
  ///   - environment: of the image that a stage begins with, by the stage's index, as `NAME=value`; nil where it is not known.
  ///     Without it no variable of the stage can be called undefined.
  ///   - ignored: what leaves files out of the context.
  ///   - isCancelled: is asked for each instruction; what was found until then is the answer.
  package static func check(
    _ dockerfile: Dockerfile, _ global: GlobalScope, environment: (Int) -> [String]? = { _ in nil },
    ignored: IgnoreRules = IgnoreRules(), isCancelled: @escaping () -> Bool = { false }
  ) -> [LintWarning] {
    var linter = Linter(dockerfile, global, isCancelled: isCancelled)
    linter.warnings = dockerfile.warnings.filter {
      dockerfile.directives.check.reports($0.rule)
    }
    linter.checkNames()
    linter.checkCasing()
    linter.checkBases()
    var scopes: [StageScope?] = []
    var workingDirectories: [Bool] = []
    for (index, stage) in dockerfile.stages.enumerated() {
      if isCancelled() { break }
      linter.checkWords(stage)
      let base = linter.expand(stage.base.image).flatMap { dockerfile.stage($0.text, before: index) }
      var scope: StageScope?
      if let base {
        scope = scopes[base].map { StageScope(on: $0) }
      } else if let known = environment(index) {
        scope = StageScope(global, environment: known)
      }
      var hasWorkingDirectory = base.map { workingDirectories[$0] } ?? false
      linter.checkSteps(
        stage, scope: &scope, hasWorkingDirectory: &hasWorkingDirectory, ignored: ignored)
      scopes.append(scope)
      workingDirectories.append(hasWorkingDirectory)
    }
    return linter.warnings.sorted { ($0.position, $0.rule.rawValue) < ($1.position, $1.rule.rawValue) }
  }

  /// Nil where it cannot be, which the build itself reports.
  private mutating func expand(_ word: Word) -> ShellLexer.Expansion? { try? global.expand(word, &work) }

  mutating func warn(_ rule: LintRule, _ instruction: Instruction, _ message: String) {
    let configuration = dockerfile.directives.check.merging(comments: instruction.comments)
    guard configuration.reports(rule) else { return }
    warnings.append(LintWarning(rule, message, at: instruction.range.start))
  }

  private mutating func checkNames() {
    var seen: Set<String> = []
    for stage in dockerfile.stages {
      guard let name = stage.base.name else { continue }
      if name == "scratch" || name == "context" {
        warn(
          .reservedStageName, stage.from,
          "Stage name should not use the same name as reserved stage \"\(name)\"")
      }
      if !seen.insert(name).inserted {
        warn(
          .duplicateStageName, stage.from, "Duplicate stage name \"\(name)\", stage names should be unique")
      }
      if let written = stage.base.writtenName, written != written.lowercased() {
        warn(.stageNameCasing, stage.from, "Stage name '\(written)' should be lowercase")
      }
    }
  }

  private mutating func checkCasing() {
    let instructions = dockerfile.stages.flatMap { [$0.from] + $0.instructions }
    let lower = instructions.count { $0.written == $0.written.lowercased() }
    let upper = instructions.count { $0.written == $0.written.uppercased() }
    let isLower = lower > upper
    for instruction in instructions {
      let wanted = isLower ? instruction.written.lowercased() : instruction.written.uppercased()
      guard instruction.written != wanted else { continue }
      warn(
        .consistentInstructionCasing, instruction,
        "Command '\(instruction.written)' should match the case of the command majority (\(isLower ? "lowercase" : "uppercase"))"
      )
    }
    for stage in dockerfile.stages {
      guard let written = stage.base.writtenAs else { continue }
      let from = stage.from.written
      let fits =
        from == from.lowercased()
        ? written == written.lowercased()
        : from != from.uppercased() || written == written.uppercased()
      if !fits {
        warn(.fromAsCasing, stage.from, "'\(written)' and '\(from)' keywords' casing do not match")
      }
    }
  }

  private mutating func checkBases() {
    var inputs = global.inputs
    inputs.arguments = [:]
    let defaults = try? GlobalScope(dockerfile, inputs)
    let known = global.variables.names
    var defaultWork = 0
    for stage in dockerfile.stages {
      if isCancelled() { return }
      let base = stage.base
      if let image = expand(base.image) { reportMissing(image.missing, known, stage.from) }
      if let name = (try? defaults?.expand(base.image, &defaultWork))??.text, !Self.mayBeImage(name) {
        warn(
          .invalidDefaultArgInFrom, stage.from,
          "Default value for ARG \(base.image.text) results in empty or invalid base image name")
      }
      guard let word = base.platform, let platform = expand(word) else { continue }
      reportMissing(platform.missing, known, stage.from)
      if platform.found == ["TARGETPLATFORM"], platform.missing.isEmpty,
        platform.text == global.variables["TARGETPLATFORM"]
      {
        warn(
          .redundantTargetPlatform, stage.from,
          "Setting platform to predefined \(word.text) in FROM is redundant as this is the default behavior")
      }
      if platform.found.isEmpty, platform.missing.isEmpty {
        let parts = platform.text.split(separator: "/")
        let name = base.name ?? ""
        if parts.count > 1, !parts.prefix(2).contains(where: { name.contains($0) }) {
          warn(
            .fromPlatformFlagConstDisallowed, stage.from,
            "FROM --platform flag should not use constant value \"\(platform.text)\"")
        }
      }
    }
  }

  private mutating func reportMissing(_ names: Set<String>, _ known: [String], _ from: Instruction) {
    for name in names.sorted() where !global.declared.contains(name) {
      let hint = NearMiss.of(name, in: known).map { " (did you mean \($0)?)" } ?? ""
      warn(.undefinedArgInFrom, from, "FROM argument '\(name)' is not declared\(hint)")
    }
  }

  /// As far as it can be told here: no part of it is empty, and it is in lower case up to its tag.
  private static func mayBeImage(_ name: String) -> Bool {
    guard !name.isEmpty, !name.hasSuffix(":"), !name.hasSuffix("/"), !name.hasPrefix("/"),
      !name.hasPrefix(":"), !name.contains("//"), !name.contains("@@"), !name.contains(" ")
    else { return false }
    let parts = name.prefix { $0 != "@" }.split(separator: "/")
    let path = parts.last.map { $0.prefix { $0 != ":" } } ?? ""
    return !path.isEmpty && path == path.lowercased()
  }
}
