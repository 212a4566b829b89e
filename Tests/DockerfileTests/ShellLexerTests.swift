import EngineErrors
import Testing

@testable import Dockerfile

/// What BuildKit's frontend makes of words.
@Suite struct ShellLexerTests {
  private static let variables = [
    "NAME": "value", "EMPTY": "", "PATH_": "/usr/local/bin", "FILE": "archive.tar.gz", "TEXT": "a-b-c",
    "SPACED": "one two",
  ]

  @Test(arguments: [
    ("plain", "plain"), ("$NAME", "value"), ("${NAME}", "value"), ("x${NAME}y", "xvaluey"), ("$NAMEx", ""),
    ("$", "$"), ("a$ b", "a$ b"), ("$1", ""), ("\\$NAME", "$NAME"), ("'$NAME'", "$NAME"),
    ("\"$NAME\"", "value"), ("\"\\$NAME\"", "$NAME"), ("\"a\\b\"", "a\\b"), ("a\\b", "ab"), ("a\\", "a"),
    ("'it''s'", "its"), ("\"it's\"", "it's"), ("\"a\\\"b\"", "a\"b"), ("'a b'c", "a bc"),
    ("${UNSET:-default}", "default"), ("${UNSET-default}", "default"), ("${EMPTY:-default}", "default"),
    ("${EMPTY-default}", ""), ("${NAME:-default}", "value"), ("${NAME:+other}", "other"),
    ("${EMPTY:+other}", ""), ("${EMPTY+other}", "other"), ("${UNSET+other}", ""),
    ("${UNSET:-${NAME}}", "value"), ("${UNSET:-${OTHER:-${NAME}}}", "value"), ("${UNSET:-\"a b\"}", "a b"),
    ("${NAME:?must be there}", "value"), ("${EMPTY?must be there}", ""),
    ("${FILE%.*}", "archive.tar"), ("${FILE%%.*}", "archive"), ("${FILE#*.}", "tar.gz"),
    ("${FILE##*.}", "gz"), ("${PATH_#/}", "usr/local/bin"), ("${PATH_##*/}", "bin"),
    ("${PATH_%/*}", "/usr/local"), ("${TEXT%-?}", "a-b"), ("${TEXT%x}", "a-b-c"),
    ("${TEXT/-/+}", "a+b-c"), ("${TEXT//-/+}", "a+b+c"), ("${TEXT//-/}", "abc"),
    ("${PATH_/\\/usr/}", "/local/bin"), ("${TEXT/b*/x}", "a-x"), ("${UNSET#x}", ""),
    ("${TEXT#\\*}", "a-b-c"),
  ])
  func expands(_ word: String, _ wanted: String) throws {
    #expect(try ShellLexer().expand(word) { Self.variables[$0] }.text == wanted)
  }

  @Test(arguments: [
    ("'open", "a single quote is not closed"), ("\"open", "a double quote is not closed"),
    ("${NAME", "has no }"), ("${", "has no }"), ("${}", "bad substitution"), ("${:-x}", "bad substitution"),
    ("${NAME:-x", "has no }"), ("${NAME:#x}", "unsupported modifier :#"),
    ("${NAME!x}", "unsupported modifier !"),
    ("${UNSET:?is needed}", "UNSET: is needed"), ("${UNSET?}", "UNSET: is not allowed to be unset"),
    ("${EMPTY:?}", "EMPTY: is not allowed to be empty"), ("${TEXT/a", "an end is missing"),
    ("${TEXT#\\a}", "invalid escape \\a"),
  ])
  func refuses(_ word: String, _ why: String) {
    let error = #expect(throws: ShellLexer.Failure.self) {
      try ShellLexer().expand(word) { Self.variables[$0] }
    }
    #expect(error?.message.contains(why) == true, "\(error?.message ?? "")")
  }

  @Test(arguments: [
    ("a b  c", ["a", "b", "c"]), ("$SPACED", ["one", "two"]), ("\"$SPACED\"", ["one two"]),
    ("'a b' c", ["a b", "c"]), ("a\\ b", ["a b"]), ("", []), ("$EMPTY a", ["a"]),
    ("x$SPACED", ["xone", "two"]),
  ])
  func splits(_ text: String, _ wanted: [String]) throws {
    #expect(try ShellLexer().words(in: text) { Self.variables[$0] } == wanted)
  }

  @Test func backtickEscapes() throws {
    let lexer = ShellLexer(escape: "`")
    #expect(try lexer.expand("C:\\dir\\`$NAME") { Self.variables[$0] }.text == "C:\\dir\\$NAME")
  }

  @Test func tellsWhatIsMissing() throws {
    let expansion = try ShellLexer().expand("$NAME $UNSET ${OTHER:-x}") { Self.variables[$0] }
    #expect(expansion.found == ["NAME"])
    #expect(expansion.missing == ["UNSET", "OTHER"])
  }

  @Test func depthIsBounded() {
    let deep = String(repeating: "${A:-", count: 100_000)
    #expect(throws: ShellLexer.Failure.self) { try ShellLexer().expand(deep) { _ in nil } }
  }

  /// Patterns with many asterisks take no exponential time.
  @Test func patternsAreFast() throws {
    let value = String(repeating: "a", count: 3000)
    let pattern = String(repeating: "*a", count: 40) + "b"
    #expect(try ShellLexer().expand("${V##\(pattern)}") { _ in value }.text == value)
  }

  @Test(
    "values that grow from line to line have an end",
    arguments: ["ENV A=$A$A", "ARG A=${A}${A}", "ENV A=${A//x/$A}", "LABEL l=$A$A\nENV A=$A$A"])
  func grows(_ line: String) throws {
    let start = "ENV A=xxxxxxxxxxxxxxxx\n"
    let file = try Dockerfile(
      parsing: Array(("FROM a\n" + start + String(repeating: line + "\n", count: 40)).utf8))
    let platform = BuildInputs.PlatformName(os: "linux", architecture: "amd64")
    let inputs = BuildInputs(buildPlatform: platform, targetPlatform: platform, target: "")
    var scope = StageScope(try GlobalScope(file, inputs), environment: [])
    let error = #expect(throws: EngineError.self) {
      for instruction in file.stages[0].instructions {
        var missing: [StageScope.Missing] = []
        _ = try scope.expand(instruction, missing: &missing)
      }
    }
    #expect(
      error?.kind == .invalidArgument && error?.message.contains("more than") == true,
      "\(error.debugDescription)")
  }

  @Test("what fails again and again has an end, too")
  func failures() throws {
    let value = String(repeating: "x", count: 1 << 15)
    let file = try Dockerfile(
      parsing: Array(
        ("FROM a\nENV V=\(value)\n" + String(repeating: "EXPOSE ${V//*?*y/z}\n", count: 3)).utf8))
    let platform = BuildInputs.PlatformName(os: "linux", architecture: "amd64")
    let inputs = BuildInputs(buildPlatform: platform, targetPlatform: platform, target: "")
    var scope = StageScope(try GlobalScope(file, inputs), environment: [])
    var messages: [String] = []
    for instruction in file.stages[0].instructions {
      var missing: [StageScope.Missing] = []
      do { _ = try scope.expand(instruction, missing: &missing) } catch { messages.append(error.message) }
    }
    #expect(messages.count == 3 && messages.first?.contains("too long") == true, "\(messages)")
    #expect(messages.dropFirst().allSatisfy { $0.contains("more than 64 MiB") }, "\(messages)")
    #expect(scope.isExhausted)
  }

  @Test("a pattern that would be looked for again and again is an error")
  func longPattern() throws {
    let text = String(repeating: "x", count: 1 << 15)
    let error = #expect(throws: ShellLexer.Failure.self) {
      _ = try ShellLexer().expand("${A//*?*y/z}") { _ in text }
    }
    #expect(error?.message.contains("too long") == true)
  }
}
