import Dockerfile
import EngineErrors
import OCIModel
import Testing

@testable import Engine

@Suite("What the steps of a build are made of")
struct BuildStepTests {
  @Test(
    "modes, as BuildKit takes them",
    arguments: [
      ("u=rwx,go=rx", 0o4755, 0o755), ("=rx", 0o6755, 0o555), ("g=rx", 0o6755, 0o4755),
      ("u=rws", 0o755, 0o4655),
      ("o=r", 0o7777, 0o7774), ("u+s", 0o755, 0o4755), ("0755", 0o6755, 0o755),
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

  @Test(
    "which frontend is another one",
    arguments: [
      ("docker/dockerfile:1", nil), ("docker/dockerfile:1.20-labs", nil),
      ("docker.io/docker/dockerfile", nil),
      ("docker/dockerfile-upstream:master a=b", nil),
      ("docker/dockerfile@sha256:\(String(repeating: "a", count: 64))", nil),
      ("example.com/docker/dockerfile:1", "example.com/docker/dockerfile:1"),
      ("example.com/other/frontend x=y", "example.com/other/frontend"), ("No Name", "No"),
      ("dockerfile", "dockerfile"),
    ])
  func frontends(_ text: String, _ wanted: String?) throws {
    let file = try Dockerfile(parsing: Array("# syntax=\(text)\nFROM a".utf8))
    var request = BuildRequest()
    #expect(request.otherFrontend(file.directives) == wanted)
    // What is given wins over the file.
    request.arguments["BUILDKIT_SYNTAX"] = "docker/dockerfile:1.4"
    #expect(request.otherFrontend(file.directives) == nil)
    #expect(BuildRequest().otherFrontend(Directives()) == nil)
  }

  @Test("what was given and nothing asks for, with what may be meant")
  func unused() throws {
    let text = """
      ARG BASE=x
      FROM $BASE AS a
      ARG VERSION=1
      RUN --mount=type=secret,id=key --mount=type=secret,target=/run/last true
      FROM a
      RUN --mount=type=ssh,id=hub --mount=type=secret,source=named true
      """
    var request = BuildRequest()
    request.arguments = [
      "BASE": "y", "VERISON": "2", "VERSION": "1", "no_proxy": "x", "TARGETARCH": "x",
      "SOURCE_DATE_EPOCH": "1",
      "BUILDKIT_INLINE_CACHE": "1",
    ]
    for name in ["key", "kye", "last", "named", "GIT_AUTH_TOKEN"] { request.secrets[name] = .value([]) }
    for name in ["default", "hub"] { request.agents[name] = "/x" }
    func found(_ text: String) throws -> [[String?]] {
      let plan = try plan(text)
      return [plan.unusedArguments(request), plan.unusedSecrets(request), plan.unusedAgents(request)].map {
        $0.flatMap { [$0.name, $0.near] }
      }
    }
    let alone = try found(text)
    #expect(alone == [["VERISON", "VERSION"], ["GIT_AUTH_TOKEN", nil, "kye", "key"], ["default", nil]])
    // Git may need it.
    let added = try found(text + "\nADD https://example.com/r.git /")
    #expect(added == [["VERISON", "VERSION"], ["kye", "key"], []])
    // It may be any.
    let variable = try found(text + "\nRUN --mount=type=secret,id=$NAME true")
    #expect(variable == [["VERISON", "VERSION"], [], []])
  }

  @Test(
    "what git says decides what to do about it",
    arguments: [
      ("fatal: Authentication failed for 'https://x/'", .unauthorized, "GIT_AUTH_TOKEN"),
      (
        "fatal: could not read Username for 'https://x': terminal prompts disabled", .unauthorized,
        "GIT_AUTH_TOKEN"
      ),
      ("git@x: Permission denied (publickey).\nfatal: Could not read", .unauthorized, "--ssh"),
      ("error: unable to write file a\nfatal: write error: No space left on device", .noSpace, "prune"),
      ("fatal: unable to access 'https://x/': Could not resolve host: x", .unreachable, "address"),
      ("fatal: repository 'http://x/r.git/' not found", .unreachable, "address"),
    ] as [(String, ErrorKind, String)])
  func gitFailures(_ text: String, _ kind: ErrorKind, _ hint: String) {
    let error = RemoteSources.failure(of: "fetch", text)
    #expect(error.kind == kind && error.hint?.contains(hint) == true && error.message == "git fetch failed")
    #expect(error.causes == text.split(separator: "\n").map(String.init))
  }
}
