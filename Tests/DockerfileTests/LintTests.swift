import Testing

@testable import Dockerfile

@Suite struct LintTests {
  private func lint(_ text: String, base: [String]? = ["PATH=/bin"], ignored: String = "") throws
    -> [LintWarning]
  {
    let dockerfile = try Dockerfile(parsing: Array(text.utf8))
    let platform = BuildInputs.PlatformName(os: "linux", architecture: "amd64")
    let inputs = BuildInputs(buildPlatform: platform, targetPlatform: platform, target: "")
    return Linter.check(
      dockerfile, try GlobalScope(dockerfile, inputs), environment: { _ in base },
      ignored: try IgnoreRules(parsing: Array(ignored.utf8)))
  }

  @Test(arguments: [
    ("FROM a AS Build", LintRule.stageNameCasing, 1), ("FROM a as b", .fromAsCasing, 1),
    ("FROM a\nRUN x \\\n\n y", .noEmptyContinuation, 3), ("FROM a\nRun x", .consistentInstructionCasing, 2),
    ("FROM a\nrun x\nRUN y", .consistentInstructionCasing, 2),
    ("FROM a AS b\nFROM c AS b", .duplicateStageName, 2),
    ("FROM a AS scratch", .reservedStageName, 1), ("FROM a\nCMD x", .jsonArgsRecommended, 2),
    ("FROM a\nENTRYPOINT x", .jsonArgsRecommended, 2), ("FROM a\nMAINTAINER me", .maintainerDeprecated, 2),
    ("FROM a:$TAG", .undefinedArgInFrom, 1), ("FROM a\nWORKDIR x", .workdirRelativePath, 2),
    ("FROM a\nENV A=$PAHT", .undefinedVar, 2),
    ("FROM a AS b\nWORKDIR /x\nFROM a\nWORKDIR y", .workdirRelativePath, 4),
    ("FROM a\nCMD [\"x\"]\nCMD [\"y\"]", .multipleInstructionsDisallowed, 2),
    ("FROM a\nENV A b", .legacyKeyValueFormat, 2), ("FROM a\nLABEL A b", .legacyKeyValueFormat, 2),
    ("FROM --platform=$TARGETPLATFORM a", .redundantTargetPlatform, 1),
    ("FROM a\nARG GITHUB_TOKEN", .secretsUsedInArgOrEnv, 2),
    ("FROM a\nENV apikey=x", .secretsUsedInArgOrEnv, 2),
    ("ARG TAG\nFROM a:$TAG", .invalidDefaultArgInFrom, 2), ("FROM @", .invalidDefaultArgInFrom, 1),
    ("ARG X\nFROM $X@", .invalidDefaultArgInFrom, 2), ("FROM @b", .invalidDefaultArgInFrom, 1),
    ("FROM --platform=linux/arm64 a", .fromPlatformFlagConstDisallowed, 1),
    ("# check=experimental=CopyIgnoredFile\nFROM a\nCOPY x.log /", .copyIgnoredFile, 3),
    ("FROM a\nEXPOSE 80/TCP", .exposeProtoCasing, 2),
    ("FROM a\nEXPOSE 80:80", .exposeInvalidFormat, 2),
    ("# check=experimental=all\n# something else\nFROM a AS b", .invalidDefinitionDescription, 3),
  ])
  func warns(_ text: String, _ rule: LintRule, _ line: Int) throws {
    let warnings = try lint(text, ignored: "*.log").filter { $0.rule == rule }
    #expect(warnings.map(\.position.line) == [line])
  }

  @Test(arguments: [
    "FROM a AS build", "from a as b\nrun x", "FROM a\nCMD [\"x\"]", "FROM a\nSHELL [\"sh\"]\nCMD x",
    "ARG TAG=1\nFROM a:$TAG", "FROM a\nWORKDIR /x\nWORKDIR y", "FROM a\nENV A=$PATH",
    "FROM a\nARG B\nENV A=$B",
    "FROM a\nENV PUBLIC_KEY=x MONKEY=y TOKEN_FILE=z", "FROM --platform=$BUILDPLATFORM a",
    "FROM --platform=linux/arm64 a AS build-arm64", "FROM a\nEXPOSE 80",
    "# check=experimental=CopyIgnoredFile\nFROM a\nCOPY --from=b x.log /", "FROM a\nCOPY x.log /",
    "# something else\nFROM a AS b", "FROM a AS b\nENV X=1\nFROM b\nENV Y=$X",
    "FROM a AS b\nARG X\nFROM b\nENV Y=$X", "FROM a AS b\nWORKDIR /x\nFROM b AS c\nFROM c\nWORKDIR y",
    "# check=skip=all\nFROM a AS B\nMAINTAINER x", "FROM a\n# check=skip=JSONArgsRecommended\nCMD x",
    "# check=skip=MaintainerDeprecated\nFROM a\nMAINTAINER x",
  ])
  func isQuiet(_ text: String) throws {
    #expect(try lint(text, ignored: "*.log") == [])
  }

  @Test func suggests() throws {
    let messages = try lint("ARG VERSION=1\nFROM a:$VERSOIN\nENV A=$PAHT").map(\.message)
    #expect(messages.contains("FROM argument 'VERSOIN' is not declared (did you mean VERSION?)"))
    #expect(messages.contains("Usage of undefined variable '$PAHT' (did you mean $PATH?)"))
    // Not by what the instruction itself sets only now.
    let own = try lint("FROM a\nENV WORDS=$WORD").map(\.message)
    #expect(own == ["Usage of undefined variable '$WORD'"])
  }

  @Test("nobody waits for the rest of it: then there is none")
  func cancelled() throws {
    let dockerfile = try Dockerfile(parsing: Array("FROM a\nENV A=$B\nENV A=$B\nENV A=$B".utf8))
    let platform = BuildInputs.PlatformName(os: "linux", architecture: "amd64")
    let inputs = BuildInputs(buildPlatform: platform, targetPlatform: platform, target: "")
    let global = try GlobalScope(dockerfile, inputs)
    var isAsked = 0
    // Once for the base, for the stage, for each of its instructions, and for each variable that is missing.
    let warnings = Linter.check(dockerfile, global, environment: { _ in [] }) {
      isAsked += 1
      return isAsked == 5
    }
    #expect(warnings.count == 1 && isAsked == 5)
  }

  /// Nothing is called undefined that an image may bring which nobody has looked at.
  @Test func unknownImagesBringAnything() throws {
    #expect(try lint("FROM a\nENV A=$X", base: nil) == [])
  }
}
