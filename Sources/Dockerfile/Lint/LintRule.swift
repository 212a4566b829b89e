package import EngineErrors

/// BuildKit's rules for Dockerfiles, by its names.
package enum LintRule: String, Sendable, CaseIterable, Hashable {
  case stageNameCasing = "StageNameCasing"
  case fromAsCasing = "FromAsCasing"
  case noEmptyContinuation = "NoEmptyContinuation"
  case consistentInstructionCasing = "ConsistentInstructionCasing"
  case duplicateStageName = "DuplicateStageName"
  case reservedStageName = "ReservedStageName"
  case jsonArgsRecommended = "JSONArgsRecommended"
  case maintainerDeprecated = "MaintainerDeprecated"
  case undefinedArgInFrom = "UndefinedArgInFrom"
  case workdirRelativePath = "WorkdirRelativePath"
  case undefinedVar = "UndefinedVar"
  case multipleInstructionsDisallowed = "MultipleInstructionsDisallowed"
  case legacyKeyValueFormat = "LegacyKeyValueFormat"
  case invalidBaseImagePlatform = "InvalidBaseImagePlatform"
  case redundantTargetPlatform = "RedundantTargetPlatform"
  case secretsUsedInArgOrEnv = "SecretsUsedInArgOrEnv"
  case invalidDefaultArgInFrom = "InvalidDefaultArgInFrom"
  case fromPlatformFlagConstDisallowed = "FromPlatformFlagConstDisallowed"
  case copyIgnoredFile = "CopyIgnoredFile"
  case invalidDefinitionDescription = "InvalidDefinitionDescription"
  case exposeProtoCasing = "ExposeProtoCasing"
  case exposeInvalidFormat = "ExposeInvalidFormat"

  /// Only reported where it is asked for.
  package var isExperimental: Bool { self == .invalidDefinitionDescription || self == .copyIgnoredFile }
}

/// Something that a build does as it is written, and that was hardly meant.
package struct LintWarning: Hashable, Sendable {
  package var rule: LintRule
  package var message: String
  package var position: SourcePosition

  package init(_ rule: LintRule, _ message: String, at position: SourcePosition) {
    self.rule = rule
    self.message = message
    self.position = position
  }
}

/// Which rules count: the value of the directive `check`, as `skip=JSONArgsRecommended;error=true`.
package struct LintConfiguration: Hashable, Sendable {
  package var skipsAll = false
  package var skipped: Set<String> = []
  package var experimentalAll = false
  package var experimental: Set<String> = []
  /// A warning fails the build.
  package var isError = false

  package init() {}

  package init(parsing text: String) throws(EngineError) {
    for part in text.split(separator: ";") {
      let pair = part.split(separator: "=", maxSplits: 1).map { String($0).trimmingBlanks() }
      guard pair.count == 2 else { throw Self.invalid(String(part)) }
      let names = Set(pair[1].split(separator: ",").map { String($0).trimmingBlanks() })
      switch pair[0] {
      case "skip": if pair[1] == "all" { skipsAll = true } else { skipped = names }
      case "experimental": if pair[1] == "all" { experimentalAll = true } else { experimental = names }
      case "error":
        switch pair[1].lowercased() {
        case "true", "1", "t": isError = true
        case "false", "0", "f": isError = false
        default: throw Self.invalid(String(part))
        }
      default: throw Self.invalid(pair[0])
      }
    }
  }

  private static func invalid(_ option: String) -> EngineError {
    EngineError(
      .invalidArgument, "invalid option of check: '\(option)'",
      hint: "the options are skip=RULE,…, experimental=RULE,… and error=true, separated by ;")
  }

  /// What a comment `check=…` before an instruction adds.
  package func merging(comments: [String]) -> LintConfiguration {
    guard let text = comments.first(where: { $0.hasPrefix("check=") }),
      let more = try? LintConfiguration(parsing: String(text.dropFirst("check=".count).prefix { $0 != " " }))
    else { return self }
    var merged = self
    merged.skipsAll = skipsAll || more.skipsAll
    merged.skipped.formUnion(more.skipped)
    merged.experimentalAll = experimentalAll || more.experimentalAll
    merged.experimental.formUnion(more.experimental)
    return merged
  }

  package func reports(_ rule: LintRule) -> Bool {
    if rule.isExperimental { return experimentalAll || experimental.contains(rule.rawValue) }
    return !skipsAll && !skipped.contains(rule.rawValue)
  }
}
