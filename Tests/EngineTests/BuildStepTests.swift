import Dockerfile
import EngineErrors
import OCIModel
import Testing

@testable import Engine

@Suite("What the steps of a build are made of")
struct BuildStepTests {
  @Test(
    "modes, as chmod(1) takes them",
    arguments: [
      ("0755", 0o644, 0o755), ("u=rwX,go=rX", 0o600, 0o644), ("+x", 0o644, 0o755), ("g=u", 0o640, 0o660),
      ("o=g", 0o750, 0o755), ("go=u", 0o700, 0o777), ("u=g", 0o4740, 0o4440), ("g+u", 0o710, 0o770),
      ("o-u", 0o647, 0o641), ("u=rw,g=u,o=g", 0o000, 0o666), ("g=o+x", 0o604, 0o654), ("a=o", 0o754, 0o444),
    ] as [(String, UInt32, UInt32)])
  func modes(_ text: String, _ before: UInt32, _ wanted: UInt32) throws {
    let mode = try #require(ModeChange(text))
    #expect(mode.applied(to: before, isDirectory: false) == wanted)
  }

  @Test("what is no mode", arguments: ["", "g=ur", "g=ru", "u", "=z", "0888", "u=r,", "17777"])
  func noModes(_ text: String) {
    #expect(ModeChange(text) == nil)
  }

  private func stage(_ text: String) throws -> (Dockerfile, [Instruction]) {
    let file = try Dockerfile(parsing: Array(text.utf8))
    return (file, file.stages[file.stages.count - 1].instructions)
  }

  @Test("a list and a shell's text that reads the same are not the same step")
  func forms() throws {
    let (_, steps) = try stage(
      #"""
      FROM x
      RUN ["x"]
      RUN exec ["x"]
      CMD ["x"]
      CMD exec ["x"]
      """#)
    let keys = steps.map { StepKey.make(parent: StepKey.nothing, $0.ownInputs) }
    #expect(Set(keys).count == 4)
  }

  private func plan(_ text: String, _ contexts: [String: NamedContext] = [:]) throws -> BuildPlan {
    let (file, _) = try stage(text)
    let platform = BuildInputs.PlatformName(os: "linux", architecture: "amd64")
    let inputs = BuildInputs(buildPlatform: platform, targetPlatform: platform, target: "")
    return BuildPlan(file, try GlobalScope(file, inputs), contexts)
  }

  @Test("a number that no stage has is no image", arguments: ["2", "9", "-1"])
  func numbers(_ name: String) throws {
    let plan = try plan("FROM x AS a\nFROM y\nCOPY --from=0 /a /")
    let position = SourcePosition(line: 3, column: 6)
    let found = try plan.source("0", in: 1, at: position)
    #expect(found == .stage(0))
    let error = #expect(throws: EngineError.self) { try plan.source(name, in: 1, at: position) }
    #expect(error?.kind == .invalidArgument)
    #expect(
      error?.message == "Dockerfile:3:6: there is no stage \(name): the file has 2, counted from 0")
  }

  @Test(
    "a named context stands for an image by any of the forms of its name",
    arguments: [
      ("busybox", "busybox:latest", true), ("busybox:latest", "docker.io/library/busybox", true),
      ("alpine:3", "docker.io/library/alpine:3", true), ("base", "base", true),
      ("busybox", "busybox:1", false),
      ("busybox", "example.com/busybox", false),
    ])
  func contexts(_ given: String, _ written: String, _ isMeant: Bool) throws {
    let context = NamedContext.image("other")
    let found = try plan("FROM \(written)", [given: context]).base(of: 0)
    #expect(found == (isMeant ? .context(context) : .image(written)))
  }

  @Test(
    "what ADD calls a file of the web",
    arguments: [
      ("https://example.com/a/b.tar?x=/y#z", "b.tar"), ("https://example.com/a/b//", "b"),
      ("https://example.com/a%20b%2Fc%20d", "c d"), ("https://example.com/a/..", "__unnamed__"),
      ("https://example.com/%2e%2E/", "__unnamed__"), ("https://example.com", "__unnamed__"),
      ("https://example.com/a%00b", "__unnamed__"), ("https://example.com/a%zz", "__unnamed__"),
    ])
  func names(_ address: String, _ name: String) {
    #expect(RemoteSources.fileName(address) == name)
  }

  @Test("what contradicts a repository's own address is refused where it is said")
  func contradictions() throws {
    let position = SourcePosition(line: 2, column: 5)
    let hex = "0123456789abcdef"
    let failure = GitAddress.failure(Word("", at: position), SourceFile("Dockerfile"))
    var address = try #require(
      try GitAddress("https://example.com/r.git?checksum=\(hex)&keep-git-dir=true", failure))
    #expect(address.keepsGitDirectory && address.saysKeepsGitDirectory == true)
    // The beginning of the same one.
    try address.setChecksum(String(hex.prefix(8)), failure)
    #expect(address.checksum == hex)
    let error = #expect(throws: EngineError.self) {
      try address.setChecksum("fedcba9876543210", failure)
    }
    #expect(error?.message.hasPrefix("Dockerfile:2:5: ADD: the checksum ") == true)
  }

  @Test(
    "addresses, with git's short form of those for SSH",
    arguments: [
      ("https://example.com/x", true), ("git@example.com:o/r.git", true), ("me_1@example.com:r", true),
      ("ssh://me@example.com/r", true), ("a/b@example.com:r", false), ("@example.com:r", false),
      ("me@:r", false), ("me@example.com", false), ("./me@example.com:r", false), ("file", false),
    ])
  func addresses(_ text: String, _ wanted: Bool) {
    #expect(RemoteSources.isAddress(text) == wanted)
  }
}
