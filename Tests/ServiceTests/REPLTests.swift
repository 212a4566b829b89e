import TestSupport
import Testing

@Suite("The REPL as a program")
struct REPLTests {
  @Test("-c: output, tables without colour, and the status of a container", arguments: Account.available)
  func commands(account: Account) async throws {
    try await withTestStore(account) { store in
      let archive = try await store.busyboxArchive()
      let made = try await store.runProgram(
        "coracle-repl", ["-c", "import \(archive) hello:1 -m 'from a test'"])
      #expect(made.status == .exited(0))
      #expect(made.text.hasPrefix("hello:1  "))
      let run = try await store.runProgram(
        "coracle-repl", ["-c", "run --rm -e 'A=b c' hello:1 sh -c 'echo \"$A\"; echo problem >&2; exit 7'"])
      #expect(run.status == .exited(7))
      #expect(run.text == "b c\n" && run.errorText == "problem\n")
      let listed = try await store.runProgram("coracle-repl", ["-c", "images; history hello:1; ps -a"])
      #expect(listed.text.contains("NAME     DIGEST") && listed.text.contains("from a test"))
      #expect(!listed.text.contains("\u{1B}"))
      let json = try await store.runProgram("coracle-repl", ["--json", "-c", "images; info"])
      #expect(json.text.split(separator: "\n").count == 2 && json.text.hasPrefix("{"))
      let events = try await store.runProgram("coracle-repl", ["-c", "events"])
      #expect(events.text.contains("image.imported") && events.text.contains("container.exited"))
    }
  }

  @Test("a script stops at the first command that fails, and ends with its status")
  func script() async throws {
    let account = try #require(Account.available.first)
    try await withTestStore(account) { store in
      let script = store.directory.appending("script")
      try script.write("ping # a comment\nrun none:1\nping\n".utf8)
      let result = try await store.runProgram("coracle-repl", [script.string])
      #expect(result.status == .exited(1))
      #expect(result.text.split(separator: "\n").count == 1)
      #expect(
        result.errorText.contains("error: no image is named none:1") && result.errorText.contains("hint: "))
      let unknown = try await store.runProgram("coracle-repl", [], input: .bytes(Array("frobnicate\n".utf8)))
      #expect(unknown.status == .exited(2))
      #expect(unknown.errorText.contains("there is no command frobnicate"))
      let input = try await store.runProgram(
        "coracle-repl", ["-c", "import \(try await store.busyboxArchive()) b:1; run -i --rm b:1 cat"],
        input: .bytes(Array("typed".utf8)))
      #expect(input.text.hasSuffix("typed"))
    }
  }
}
