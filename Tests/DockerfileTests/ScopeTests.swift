import EngineErrors
import Testing

@testable import Dockerfile

@Suite struct ScopeTests {
  private static let platform = BuildInputs.PlatformName(os: "linux", architecture: "arm", variant: "v7")
  private static let host = BuildInputs.PlatformName(os: "linux", architecture: "amd64")

  /// Carries out all stages' instructions, and says what the last one's scope then is.
  private func run(_ text: String, _ arguments: [String: String] = [:], base: [String] = [])
    throws -> (StageScope, [Instruction], missing: [String])
  {
    let dockerfile = try Dockerfile(parsing: Array(text.utf8))
    let inputs = BuildInputs(
      arguments: arguments, buildPlatform: Self.host, targetPlatform: Self.platform, target: "")
    let global = try GlobalScope(dockerfile, inputs)
    var scopes: [StageScope] = []
    var expanded: [Instruction] = []
    var missing: [StageScope.Missing] = []
    for (index, stage) in dockerfile.stages.enumerated() {
      let below = dockerfile.stage(stage.base.image.text, before: index)
      var scope = below.map { StageScope(on: scopes[$0]) } ?? StageScope(global, environment: base)
      missing = []
      expanded = try stage.instructions.map { try scope.expand($0, missing: &missing) }
      scopes.append(scope)
    }
    return (scopes[scopes.count - 1], expanded, missing.map(\.name))
  }

  @Test(arguments: [
    // A stage has a global argument only when it asks for it.
    ("ARG A=1\nFROM x\nENV R=${A:-unset}", "unset"), ("ARG A=1\nFROM x\nARG A\nENV R=$A", "1"),
    ("ARG A=1\nFROM x\nARG A=2\nENV R=$A", "2"), ("FROM x\nARG A\nENV R=${A-unset}", "unset"),
    // One is made of another.
    ("ARG A=1\nARG B=$A.2\nFROM x\nARG B\nENV R=$B", "1.2"), ("FROM x\nARG A=1\nARG B=${A}b\nENV R=$B", "1b"),
    // Those of the platform are there for the asking.
    ("FROM x\nARG TARGETPLATFORM\nENV R=$TARGETPLATFORM", "linux/arm/v7"),
    ("FROM x\nARG TARGETVARIANT TARGETARCH\nENV R=$TARGETARCH$TARGETVARIANT", "armv7"),
    ("FROM x\nARG BUILDPLATFORM\nENV R=$BUILDPLATFORM", "linux/amd64"),
    ("FROM x\nENV R=${TARGETOS:-no}", "no"),
    // ENV over ARG, and all of one instruction see what was before it.
    ("FROM x\nARG A=1\nENV A=2\nENV R=$A", "2"), ("FROM x\nENV A=1\nENV A=2 R=$A", "1"),
    ("FROM x\nENV R=$BASE/bin", "/opt/bin"), ("FROM x\nENV R=\"a  b\"", "a  b"),
    ("FROM x\nENV R a  b", "a  b"),
    // A stage has what those have that it begins with.
    ("FROM x AS b\nARG A=1\nFROM b\nENV R=${A-unset}", "1"),
    ("ARG A=1\nFROM x AS b\nARG A\nFROM b AS c\nFROM c\nENV R=${A-unset}", "1"),
    ("FROM x AS b\nARG A=1\nFROM b\nARG A=2\nENV R=$A", "2"),
    ("FROM x AS b\nENV A=1\nARG A=2\nFROM b\nENV R=$A", "2"),
    ("FROM x AS b\nARG A=1\nFROM x\nENV R=${A-unset}", "unset"),
  ])
  func scopes(_ text: String, _ wanted: String) throws {
    let (scope, _, _) = try run(text, base: ["BASE=/opt"])
    #expect(scope.variables["R"] == wanted)
    #expect(scope.environment["R"] == wanted)
  }

  @Test(arguments: [
    ("ARG A=1\nFROM x\nARG A\nENV R=$A", "given"), ("FROM x\nARG A=2\nENV R=$A", "given"),
    ("FROM x\nENV R=${A:-no}", "no"), ("FROM x AS b\nARG A\nFROM b\nENV R=$A", "given"),
    ("ARG A\nARG B=${A}2\nFROM x\nARG B\nENV R=$B", "given2"),
  ])
  func givenArgumentsWin(_ text: String, _ wanted: String) throws {
    #expect(try run(text, ["A": "given"]).0.variables["R"] == wanted)
  }

  @Test func variablesKeepTheirPlaces() {
    var variables = Variables(["A=1", "B=2", "C", "A=3"])
    #expect(variables.environment == ["A=3", "B=2", "C="])
    variables["B"] = nil
    variables["D"] = "4"
    variables["C"] = "5"
    variables["none"] = nil
    #expect(variables.environment == ["A=3", "C=5", "D=4"])
    #expect(variables["A"] == "3" && variables["B"] == nil && variables["D"] == "4")
    variables["B"] = "6"
    #expect(variables.names == ["A", "C", "D", "B"] && variables["B"] == "6")
  }

  @Test func argumentsStayOutOfTheImage() throws {
    let (scope, _, _) = try run("FROM x\nARG A=1\nENV B=2", base: ["PATH=/bin"])
    #expect(scope.environment.environment == ["PATH=/bin", "B=2"])
    #expect(scope.variables.environment == ["PATH=/bin", "A=1", "B=2"])
    #expect(scope.arguments.map(\.name) == ["A"])
    let (child, _, missing) = try run("FROM x AS b\nARG A=1\nFROM b\nENV B=$A$C", base: ["PATH=/bin"])
    #expect(child.environment.environment == ["PATH=/bin", "B=1"])
    #expect(child.arguments.map(\.name) == ["A"] && missing == ["C"])
  }

  @Test func expandsWords() throws {
    let (_, instructions, missing) = try run(
      "FROM x\nENV D=/data P=80\nWORKDIR $D/a\nUSER ${U:-app}\nEXPOSE $P \"81\"\nVOLUME $D\nCOPY --chown=$U $D\\$x ./\n"
        + "COPY <<A <<'B' /\n$P \"q\"\nA\n$P\nB\nRUN --mount=type=cache,target=$D echo $P\nCMD echo $P")
    #expect(missing == ["U", "U"])
    guard case .workdir(let directory) = instructions[1].content,
      case .user(let user) = instructions[2].content,
      case .expose(let ports) = instructions[3].content, case .volume(let volumes) = instructions[4].content,
      case .copy(let copy) = instructions[5].content, case .copy(let inline) = instructions[6].content,
      case .run(let step) = instructions[7].content, case .command(let command) = instructions[8].content
    else {
      Issue.record("not the instructions that were written")
      return
    }
    #expect(directory.text == "/data/a")
    #expect(user.text == "app")
    #expect(ports.map(\.text) == ["80", "81"])
    #expect(volumes.map(\.text) == ["/data"])
    #expect(copy.owner?.text == "")
    #expect(copy.sources.map(\.text) == ["/data$x"])
    #expect(inline.inline.map(\.content) == ["80 \"q\"\n", "$P\n"])
    #expect(step.mounts.first?.target == "/data")
    // A shell's own matter.
    #expect(step.command == .shell("echo $P"))
    #expect(command == .shell("echo $P"))
  }

  @Test func errorsSayWhere() {
    let error = #expect(throws: EngineError.self) {
      try run("FROM x\nENV A=1 \\\n  B=\"${A:-}${Z:?is needed}\"")
    }
    #expect(error?.message == "Dockerfile:3:5: Z: is needed")
  }

  @Test(
    arguments: [
      ("80", ["80/tcp"], []), ("80/UDP", ["80/udp"], [ExposedPort.Oddity.casing]),
      ("8000-8002", ["8000/tcp", "8001/tcp", "8002/tcp"], []),
      ("127.0.0.1:80:8080", ["8080/tcp"], [.mapping]),
      ("80:81", ["81/tcp"], [.mapping]), ("x", nil, []), ("99999", nil, []), ("2-1", nil, []),
      ("80/ip", nil, []),
    ] as [(String, [String]?, Set<ExposedPort.Oddity>)])
  func ports(_ text: String, _ wanted: [String]?, _ oddities: Set<ExposedPort.Oddity>) {
    let parsed = ExposedPort.parse(text)
    #expect(parsed?.ports.map(\.name) == wanted)
    #expect(parsed?.oddities ?? [] == oddities)
  }
}
