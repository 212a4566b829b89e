import EngineErrors
import Testing

@testable import Dockerfile

@Suite struct ParserTests {
  private func parse(_ text: String) throws -> Dockerfile {
    try Dockerfile(parsing: Array(text.utf8))
  }

  private func only(_ text: String) throws -> Instruction {
    let dockerfile = try parse("FROM scratch\n" + text)
    #expect(dockerfile.stages[0].instructions.count == 1)
    return try #require(dockerfile.stages[0].instructions.first)
  }

  /// Errors say where, and what was meant.
  @Test(arguments: [
    ("FROM scratch\nRUNN true", "Dockerfile:2:1: unknown instruction RUNN", "did you mean RUN?"),
    ("FROM scratch\n  COPPY a b", "Dockerfile:2:3: unknown instruction COPPY", "did you mean COPY?"),
    ("RUN true", "Dockerfile:1:1: RUN comes before the first FROM", nil),
    ("# nothing\n", "Dockerfile:1:1: there is no FROM", nil),
    ("", "Dockerfile:1:1: there is no FROM", nil),
    ("FROM a b", "Dockerfile:1:8: FROM has an image", nil),
    ("FROM a AT b", "Dockerfile:1:8: FROM has an image", "did you mean AS?"),
    ("FROM a AS 1b", "Dockerfile:1:11: '1b' cannot be a stage's name", nil),
    ("FROM --plattform=x a", "Dockerfile:1:6: FROM has no flag --plattform", "did you mean --platform?"),
    ("FROM scratch\nCOPY a", "Dockerfile:2:1: COPY needs a source and a destination", nil),
    ("FROM scratch\nCOPY --from=$X a b", "Dockerfile:2:6: variables are not replaced in --from", nil),
    ("FROM scratch\nCOPY --chwon=1 a b", "Dockerfile:2:6: COPY has no flag --chwon", "did you mean --chown?"),
    ("FROM scratch\nCOPY --link=maybe a b", "Dockerfile:2:6: the flag --link is true or false", nil),
    ("FROM scratch\nCOPY --chown a b", "Dockerfile:2:6: the flag --chown has no value", nil),
    ("FROM scratch\nCOPY --chown=1 --chown=2 a b", "the flag --chown is given twice", nil),
    ("FROM scratch\nCOPY a <<EOF\nx\nEOF", "Dockerfile:2:8: a heredoc cannot be a destination", nil),
    ("FROM scratch\nRUN <<EOF\ntrue\n", "Dockerfile:2:1: the heredoc EOF has no end", nil),
    ("FROM scratch\nRUN [\"a\", 1]", "Dockerfile:2:5: the list has an element that is no string", nil),
    (
      "FROM scratch\nRUN --mount=type=cahce,target=/x true", "'cahce' is not a mount's type",
      "did you mean cache?"
    ),
    (
      "FROM scratch\nRUN --mount=type=cache,tagret=/x true", "a mount has no field 'tagret'",
      "did you mean target?"
    ),
    ("FROM scratch\nRUN --mount=type=bind true", "a bind mount has no target", nil),
    (
      "FROM scratch\nRUN --mount=type=bind,from=$A,target=/x true",
      "variables are not replaced in a mount's from", nil
    ),
    (
      "FROM scratch\nRUN --mount=type=tmpfs,target=/x,sharing=locked true", "a tmpfs mount has no sharing",
      nil
    ),
    ("FROM scratch\nRUN --network=bridge true", "'bridge' is not a network of RUN", nil),
    ("FROM scratch\nRUN --security=insecur true", "is not a security of RUN", "did you mean insecure?"),
    ("FROM scratch\nENV A=1 B", "Dockerfile:2:9: 'B' has no =", nil),
    ("FROM scratch\nENV A", "Dockerfile:2:1: ENV needs a name and a value", nil),
    ("FROM scratch\nENV =1", "Dockerfile:2:5: a name is empty", nil),
    ("FROM scratch\nSHELL /bin/sh", "SHELL needs its arguments as a list", nil),
    ("FROM scratch\nHEALTHCHECK curl x", "HEALTHCHECK needs CMD or NONE, not curl", nil),
    ("FROM scratch\nHEALTHCHECK --interval=5 CMD x", "--interval is a length of time", nil),
    ("FROM scratch\nHEALTHCHECK --retries=-1 CMD x", "--retries is a number of times", nil),
    ("FROM scratch\nONBUILD FROM x", "Dockerfile:2:9: FROM cannot be behind ONBUILD", nil),
    ("FROM scratch\nONBUILD ONBUILD RUN x", "ONBUILD cannot be behind ONBUILD", nil),
    ("# escape=x\nFROM scratch", "Dockerfile:1:1: 'x' cannot be the escape character", nil),
    ("# syntax=a\n# syntax=b\nFROM scratch", "Dockerfile:2:1: the directive syntax is given twice", nil),
    ("# check=skp=all\nFROM scratch", "Dockerfile:1:1: invalid option of check: 'skp'", nil),
    (
      "FROM scratch\nRUN a \\\n && b\nENVV x", "Dockerfile:4:1: unknown instruction ENVV", "did you mean ENV?"
    ),
  ])
  func refuses(_ text: String, _ message: String, _ hint: String?) {
    let error = #expect(throws: EngineError.self) { try parse(text) }
    #expect(error?.kind == .invalidArgument)
    #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
    if let hint { #expect(error?.hint == hint) }
  }

  @Test(
    "what programs cannot be given is refused where it stands",
    arguments: [
      ("FROM scratch\nRUN echo caf\u{e9} \u{ff}", "Dockerfile:2:15: there is a byte that is no UTF-8"),
      ("FROM scratch\nRUN a \\\n# \u{ff}\n  b \u{ff}", "Dockerfile:4:5: there is a byte that is no UTF-8"),
      ("FROM scratch\nCOPY <<E /f\n\nab\u{ff}\nE\n", "Dockerfile:4:3: there is a byte that is no UTF-8"),
      ("FROM scratch\nRUN <<'E'\nab\u{ff}\n\u{ff}\nE\n", "Dockerfile:3:3: there is a byte that is no UTF-8"),
      (
        "FROM scratch\nONBUILD COPY <<'E' /f\n\u{ff}\nE\n", "Dockerfile:3:1: there is a byte that is no UTF-8"
      ),
      ("FROM scratch\nWORKDIR /\u{e9}\0b", "Dockerfile:2:11: there is a NUL"),
      ("FROM scratch\nCOPY [\"a\", \"/z\\u0000b\"]", "Dockerfile:2:6: the list has a NUL in it"),
      ("FROM scratch\nCMD [\"a\\u0000\"]", "Dockerfile:2:5: the list has a NUL in it"),
      ("FROM scratch\nRUN <<E\na\0\nE\n", "Dockerfile:2:1: the heredoc E has a NUL in it"),
    ])
  func refusesBytes(_ text: String, _ message: String) {
    // Here, the last character of Latin-1 stands for its byte there.
    let bytes = text.unicodeScalars.flatMap { $0 == "\u{ff}" ? [0xff] : Array(String($0).utf8) }
    let error = #expect(throws: EngineError.self) { try Dockerfile(parsing: bytes) }
    #expect(error?.kind == .invalidArgument && error?.hint != nil)
    #expect(error?.message == message)
  }

  @Test("a comment may be any bytes, and a file's text have any character")
  func takesOddBytes() throws {
    let file = try Dockerfile(
      parsing: Array("# caf".utf8) + [0xe9, 0, 10] + Array("FROM a\nCOPY <<E /f\na\0b\nE\n".utf8))
    guard case .copy(let copy) = file.stages[0].instructions[0].content else {
      Issue.record("no COPY")
      return
    }
    #expect(copy.inline.first?.content == "a\0b\n" && copy.inline.first?.bytes == nil)
    let other = try Dockerfile(
      parsing: Array("FROM a\nCOPY <<-'E' /f\n\tcaf".utf8) + [0xe9, 10, 9, 9, 0xff] + Array("\t\n\tE\n".utf8))
    guard case .copy(let plain) = other.stages[0].instructions[0].content else {
      Issue.record("no COPY")
      return
    }
    #expect(plain.inline.first?.bytes == Array("caf".utf8) + [0xe9, 10, 0xff, 9, 10])
  }

  @Test(
    "each of many words in many lines knows its place, and a file that nobody waits for is read no further")
  func knowsPlaces() throws {
    let count = 20_000
    // Some of them on long lines, with characters of several bytes.
    let long = String(repeating: "\u{e9}=1 ", count: 5000)
    let text = "FROM a\nENV b=1 \\\n\(long)\\\n" + String(repeating: " a=1 c=2 \\\n", count: count) + " z=1\n"
    guard case .env(let assignments) = try parse(text).stages[0].instructions[0].content else {
      Issue.record("no ENV")
      return
    }
    #expect(assignments.count == 2 + 5000 + 2 * count)
    for (index, assignment) in assignments.enumerated() {
      let behind = index - 5001
      let place =
        index == 0
        ? SourcePosition(line: 2, column: 5)
        : behind < 0
          ? SourcePosition(line: 3, column: 1 + 4 * (index - 1))
          : SourcePosition(line: 4 + behind / 2, column: behind % 2 == 0 ? 2 : 6)
      guard assignment.name.position != place else { continue }
      Issue.record("\(index) is at \(assignment.name.position) and not at \(place)")
      return
    }
    for instruction in [text, String(repeating: "ENV a=1\n", count: count)] {
      var isAsked = 0
      let error = #expect(throws: EngineError.self) {
        try Dockerfile(parsing: Array(("FROM a\n" + instruction).utf8)) {
          isAsked += 1
          return isAsked == 3
        }
      }
      #expect(error?.kind == .cancelled && isAsked == 3)
    }
  }

  @Test func joinsContinuations() throws {
    let run = try only("RUN a \\\n  # in between\n\n  b \\  \n  c\n")
    #expect(run.content == .run(RunStep("a   b   c")))
    #expect(run.range == SourceRange(.init(line: 2, column: 1), .init(line: 6, column: 4)))
  }

  @Test func warnsOfEmptyContinuations() throws {
    let dockerfile = try parse("FROM scratch\nRUN a \\\n\n  b\n")
    #expect(dockerfile.warnings.map(\.rule) == [.noEmptyContinuation])
    #expect(dockerfile.warnings.first?.position == SourcePosition(line: 3, column: 1))
  }

  @Test func knowsDirectives() throws {
    let dockerfile = try parse(
      "# syntax=docker/dockerfile:1.20\n# Escape = `\n# check=skip=StageNameCasing;error=true\n\nFROM a\nRUN x `\n y \\\n"
    )
    #expect(dockerfile.directives.syntax == "docker/dockerfile:1.20")
    #expect(dockerfile.directives.escape == UInt8(ascii: "`"))
    #expect(dockerfile.directives.check.skipped == ["StageNameCasing"])
    #expect(dockerfile.directives.check.isError)
    #expect(dockerfile.stages[0].instructions[0].content == .run(RunStep("x  y \\")))
  }

  @Test func directivesEndWithOtherComments() throws {
    let dockerfile = try parse("# a comment\n# escape=`\nFROM a\nRUN x \\\n y\n")
    #expect(dockerfile.directives.escape == UInt8(ascii: "\\"))
    #expect(dockerfile.stages[0].instructions[0].content == .run(RunStep("x  y")))
  }

  @Test func takesBOMAndCarriageReturns() throws {
    let dockerfile = try parse("\u{feff}FROM a\r\nRUN x \\\r\n y\r\n")
    #expect(dockerfile.stages[0].base.image.text == "a")
    #expect(dockerfile.stages[0].instructions[0].content == .run(RunStep("x  y")))
  }

  @Test(arguments: [
    ("ENV A=1 B=\"x y\" C='$Z' D=a\\ b", [("A", "1"), ("B", "\"x y\""), ("C", "'$Z'"), ("D", "a\\ b")]),
    ("ENV A b c  d", [("A", "b c  d")]),
    ("LABEL \"com.x\"=\"1\" y=", [("\"com.x\"", "\"1\""), ("y", "")]),
  ])
  func readsAssignments(_ text: String, _ wanted: [(String, String)]) throws {
    let instruction = try only(text)
    switch instruction.content {
    case .env(let assignments), .label(let assignments):
      #expect(assignments.map(\.name.text) == wanted.map(\.0))
      #expect(assignments.map(\.value.text) == wanted.map(\.1))
    default: Issue.record("not assignments")
    }
  }

  @Test func readsHeredocs() throws {
    let run = try only("RUN <<EOF\necho a\n  echo $b\nEOF\n")
    guard case .run(let step) = run.content, case .shell(let text, let heredocs) = step.command else {
      Issue.record("no shell command")
      return
    }
    #expect(text == "<<EOF")
    #expect(heredocs.map(\.content) == ["echo a\n  echo $b\n"])
    #expect(run.source == "RUN <<EOF")

    let two = try parse("FROM a\nRUN cat <<A - <<-'B'\n1\nA\n\t\t2\n\tB\nUSER x\n")
    guard case .run(let second) = two.stages[0].instructions[0].content,
      case .shell(_, let both) = second.command
    else {
      Issue.record("no shell command")
      return
    }
    #expect(both.map(\.name) == ["A", "B"])
    #expect(both.map(\.content) == ["1\n", "2\n"])
    #expect(both.map(\.expands) == [true, false])
    #expect(two.stages[0].instructions.count == 2)
  }

  @Test func copiesHeredocs() throws {
    let copy = try only("COPY --chmod=755 <<EOF <<\"run\" other /bin/\n$A\nEOF\n$B\nrun\n")
    guard case .copy(let transfer) = copy.content else {
      Issue.record("no copy")
      return
    }
    #expect(
      transfer.inline == [
        .init(name: "EOF", content: "$A\n", expands: true),
        .init(name: "run", content: "$B\n", expands: false),
      ])
    #expect(transfer.sources.map(\.text) == ["other"])
    #expect(transfer.mode?.text == "755")
  }

  /// A shift is none, nor is what stands in a list.
  @Test(arguments: ["RUN echo $((1<<2))", "RUN [\"sh\", \"-c\", \"cat <<EOF\"]", "RUN x=\"<<EOF\" true"])
  func takesNoOthersForHeredocs(_ text: String) throws {
    #expect(try parse("FROM a\n\(text)\nUSER x\n").stages[0].instructions.count == 2)
  }

  @Test func readsMounts() throws {
    let run = try only(
      "RUN --mount=type=cache,id=go,target=/root/.cache,sharing=locked,mode=0750,uid=5 "
        + "--mount=from=tools,src=/bin,dst=/tools,rw --mount=type=secret,id=key,required,env=KEY "
        + "--mount=type=tmpfs,target=/tmp,size=64m --network=none -- true")
    guard case .run(let step) = run.content else {
      Issue.record("no run")
      return
    }
    #expect(step.mounts.map(\.kind) == [.cache, .bind, .secret, .tmpfs])
    #expect(step.mounts[0].sharing == .locked && step.mounts[0].mode == 0o750 && step.mounts[0].user == 5)
    #expect(step.mounts.map(\.isReadOnly) == [false, false, true, false])
    #expect(step.mounts[1].from == "tools" && step.mounts[1].target == "/tools")
    #expect(step.mounts[2].isRequired && step.mounts[2].variable == "KEY")
    #expect(step.mounts[3].size == 64 << 20)
    #expect(step.network == .none)
    #expect(step.command == .shell("true"))
  }

  @Test func readsHealthTests() throws {
    let check = try only(
      "HEALTHCHECK --interval=1m30s --timeout=1.5s --start-period=5s --start-interval=500ms --retries=4 CMD curl -f x"
    )
    var wanted = HealthTest(command: .shell("curl -f x"))
    wanted.interval = 90_000_000_000
    wanted.timeout = 1_500_000_000
    wanted.startPeriod = 5_000_000_000
    wanted.startInterval = 500_000_000
    wanted.retries = 4
    #expect(check.content == .healthcheck(wanted))
    #expect(try only("HEALTHCHECK NONE").content == .healthcheck(HealthTest()))
    let list = try only("HEALTHCHECK CMD [\"a\", \"b\"]")
    #expect(list.content == .healthcheck(HealthTest(command: .exec(["a", "b"]))))
  }

  @Test func keepsTriggersWithTheirHeredocs() throws {
    let trigger = try only("ONBUILD RUN <<EOF\necho a\nEOF\n")
    #expect(trigger.content == .onBuild("RUN <<EOF\necho a\nEOF"))
    let range = SourceRange(.init(line: 1, column: 1), .init(line: 1, column: 9))
    let instruction = try Dockerfile.trigger("RUN <<EOF\necho a\nEOF", at: range, SourceFile("Dockerfile"))
    guard case .run(let step) = instruction.content, case .shell(_, let heredocs) = step.command else {
      Issue.record("no run")
      return
    }
    #expect(heredocs.map(\.content) == ["echo a\n"])
    #expect(instruction.isTrigger)
  }

  @Test func findsStages() throws {
    let dockerfile = try parse("FROM a AS One\nFROM b\nFROM one AS two\n")
    #expect(dockerfile.stage("ONE", before: 3) == 0)
    #expect(dockerfile.stage("1", before: 3) == 1)
    #expect(dockerfile.stage("two", before: 2) == nil)
    #expect(try dockerfile.target(nil) == 2)
    let error = #expect(throws: EngineError.self) { try dockerfile.target("tow") }
    #expect(error?.kind == .notFound)
    #expect(error?.hint == "did you mean one?" || error?.hint == "did you mean two?")
  }
}

extension RunStep {
  init(_ text: String) {
    self.init(command: .shell(text), mounts: [], network: .default, isInsecure: false, devices: [])
  }
}
