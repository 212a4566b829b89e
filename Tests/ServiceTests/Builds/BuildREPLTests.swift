import RPCModel
import TestSupport
import Testing

@Suite("Builds at the REPL")
struct BuildREPLTests {
  @Test("the REPL builds, shows what RUNs write, and explains")
  func repl() async throws {
    try await withBuildContext(try #require(Account.available.first)) { context in
      try await context.script(
        "printf 'FROM busybox:1\\nCOPY src /src\\nRUN echo hello\\n' > context/Dockerfile")
      let built = try await context.store.runProgram(
        "coracle-repl", ["-c", "build --network none -t r:1 \(context.path)"])
      #expect(built.status == .exited(0), "\(built.errorText)")
      #expect(built.text.hasPrefix("#3 hello\nr:1  "))
      #expect(built.errorText.contains("#3 [0 2/2] RUN echo hello"))
      let explained = try await context.store.runProgram(
        "coracle-repl", ["-c", "build --network none --explain \(context.path)"])
      #expect(
        explained.text.split(separator: "\n").allSatisfy {
          $0.hasPrefix("cached ") || $0.hasPrefix("           the last run: ")
        })
      for (words, said) in [
        ("--explain -o out", "--explain makes nothing that --output could be for"),
        ("--verify -t x:1", "--verify makes nothing that --tag could be for"),
        ("--verify --debug", "--verify makes nothing that --debug could be for"),
        ("--explain --verify", "not both"),
      ] {
        let refused = try await context.store.runProgram(
          "coracle-repl", ["-c", "build \(words) \(context.path)"])
        #expect(refused.status != .exited(0) && refused.errorText.contains(said), "\(refused.errorText)")
      }
    }
  }

  @Test("a Dockerfile comes on standard input, and what of a request is of no use is said")
  func standardInput() async throws {
    try await withBuildContext(try #require(Account.available.first)) { context in
      let built = try await context.store.runProgram(
        "coracle-repl",
        ["-c", "build --network none --build-context nobody=\(context.path) -f - -t i:1 \(context.path)"],
        input: .bytes(Array("FROM busybox:1\nCOPY src/a /a\n".utf8)))
      #expect(built.status == .exited(0), "\(built.errorText)")
      #expect(built.errorText.contains("nothing takes files from the context nobody"), "\(built.errorText)")
      let seen = try await context.service.run("i:1", ["cat", "/a"])
      #expect(seen.stdout == "one\n")
    }
  }
}
