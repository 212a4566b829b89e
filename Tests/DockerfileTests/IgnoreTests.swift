import EngineErrors
import Testing

@testable import Dockerfile

/// moby's patternmatcher, by its own documentation and BuildKit's use of it.
@Suite struct IgnoreTests {
  private func rules(_ text: String) throws -> IgnoreRules { try IgnoreRules(parsing: Array(text.utf8)) }

  @Test(arguments: [
    ("*.log", "a.log", true), ("*.log", "dir/a.log", false), ("**/*.log", "dir/a.log", true),
    ("**/*.log", "a.log", true), ("dir", "dir/a/b", true), ("dir/", "dir/a", true), ("/dir", "dir/a", true),
    ("dir", "other/dir", false), ("**/dir", "other/dir", true), ("**/dir", "dir", true),
    ("**/dir", "xdir", false),
    ("**dir", "xdir", true), ("dir/**", "dir/a/b", true), ("dir/**", "dir", false),
    ("**", "anything/at all", true),
    ("a/**/z", "a/z", true), ("a/**/z", "a/b/c/z", true), ("a/**/z", "a/bz", false),
    ("**/foo/**", "a/foo/b", true),
    ("**/foo/**", "foo/b", true), ("**/foo/**", "foo", false), ("?.txt", "a.txt", true),
    ("?.txt", "ab.txt", false),
    ("?", "/", false), ("[a-c].txt", "b.txt", true), ("[^a-c].txt", "b.txt", false),
    ("[^a-c].txt", "d.txt", true),
    ("\\*.txt", "*.txt", true), ("\\*.txt", "a.txt", false), ("a/../b", "b", true), ("./a/./b", "a/b", true),
    ("a.b", "axb", false), ("a+b(c)", "a+b(c)", true), ("*/temp*", "somedir/temporary.txt", true),
    ("*/temp*", "a/b/temp", false), ("*/*/temp*", "a/b/temp", true), ("# no", "# no", false),
    ("  a  ", "a", true),
    ("node_modules", "node_modules/x/y.js", true), ("été", "été/x", true),
  ])
  func matches(_ pattern: String, _ path: String, _ wanted: Bool) throws {
    #expect(try rules(pattern).verdict(path).isIgnored == wanted)
  }

  @Test(arguments: [
    ("*.md\n!README.md", "README.md", false), ("*.md\n!README.md", "a.md", true),
    ("!README.md\n*.md", "README.md", true), ("*\n!src", "src/a/b", false), ("*\n!src", "other", true),
    ("*\n!src\nsrc/secret", "src/secret/key", true),
    ("*.md\n!README*.md\nREADME-secret.md", "README-secret.md", true),
    ("dir\n!dir/keep", "dir/keep", false), ("dir\n!dir/keep", "dir/other", true),
    ("**\n!**/*.go", "a/b.go", false),
    ("! src", "x", false), ("a\n! a", "a", false),
  ])
  func theLastRuleWins(_ text: String, _ path: String, _ wanted: Bool) throws {
    #expect(try rules(text).verdict(path).isIgnored == wanted)
  }

  @Test func saysWhichRule() throws {
    let rules = try rules("# logs\n*.log\n\n!keep.log\n")
    let rule = try #require(rules.verdict("a.log").rule)
    #expect(rules.describe(rule) == ".dockerignore:2: *.log")
    #expect(rules.verdict("keep.log").rule.flatMap(rules.describe) == ".dockerignore:4: !keep.log")
    #expect(rules.verdict("other").rule == nil)
  }

  @Test func knowsWhereExceptionsMayBe() throws {
    let rules = try rules("*\n!src/*.go\n")
    #expect(rules.mayKeepSomething(in: "src"))
    #expect(!rules.mayKeepSomething(in: "docs"))
    #expect(try self.rules("*\n!**/*.go").mayKeepSomething(in: "docs"))
  }

  @Test(arguments: ["!", "[", "[]a]", "[a", "[b-a]", "a\\"])
  func refuses(_ pattern: String) {
    let error = #expect(throws: EngineError.self) { try rules("ok\n" + pattern) }
    #expect(error?.kind == .invalidArgument)
    #expect(error?.message.hasPrefix(".dockerignore:2:1: ") == true)
  }

  @Test func manyAsterisksAreFast() throws {
    let rules = try rules(String(repeating: "*a", count: 50) + "b")
    #expect(!rules.verdict(String(repeating: "a", count: 3000)).isIgnored)
  }
}
