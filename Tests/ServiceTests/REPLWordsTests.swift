import Foundation
import TestSupport
import Testing

@Suite("What the REPL says of words")
struct REPLWordsTests {
  private func withStore(_ body: @Sendable (TestStore) async throws -> Void) async throws {
    try await withTestStore(#require(Account.available.first), body)
  }

  /// The pages of commands.
  private func pages(_ store: TestStore, _ lines: [String]) async throws -> [String] {
    let result = try await store.runProgram("coracle-repl", lines.flatMap { ["-c", $0] })
    #expect(result.succeeded, "\(result.errorText)")
    return Array(result.text.components(separatedBy: "OVERVIEW: ").dropFirst())
  }

  /// The names that the list has between its headings, and those of sub-commands.
  private func paths(_ store: TestStore) async throws -> [String] {
    let list = try await store.runProgram("coracle-repl", ["-c", "help"])
    let lines = list.text.split(separator: "\n").filter { $0.firstMatch(of: #/^  \S/#) != nil }
    let names = lines.map { String($0.split(separator: " ")[0]) }.filter { !["help", "quit"].contains($0) }
    return zip(names, try await pages(store, names.map { "help \($0)" })).flatMap { name, page -> [String] in
      guard let parts = page.range(of: "SUBCOMMANDS:\n") else { return [name] }
      let lines = page[parts.upperBound...].split(separator: "\n", omittingEmptySubsequences: false)
      return [name]
        + lines.prefix { $0.hasPrefix("  ") }.filter { $0.firstMatch(of: #/^  \S/#) != nil }
        .compactMap { $0.split(separator: " ").first }
        .map { "\(name) \($0.filter { $0 != "," })" }
    }
  }

  @Test("each command and sub-command has a page with examples, and each example can be read")
  func examples() async throws {
    try await withStore { store in
      let paths = try await paths(store)
      #expect(paths.count > 50 && paths.contains("network create"), "\(paths)")
      let pages = try await pages(store, paths.map { "help \($0)" })
      #expect(pages.count == paths.count)
      let asked = try await self.pages(store, paths.map { "\($0) --help" })
      #expect(asked == pages)
      for (path, page) in zip(paths, pages) {
        let parts = page.components(separatedBy: "\nEXAMPLES:\n")
        try #require(parts.count == 2, "\(path) has no examples")
        let examples = parts[1].split(separator: "\n").filter { $0.hasPrefix("  ") }.joined(separator: "\n")
        #expect(!examples.isEmpty, "\(path)")
        let read = try await store.runProgram("coracle-repl", ["--check", "-c", examples])
        #expect(read.succeeded && read.text.isEmpty, "\(path): \(read.errorText)")
      }
    }
  }

  @Test(
    "a word that is none gets what was meant",
    arguments: [
      ("imagse", "there is no command imagse", "did you mean images?"),
      ("version", "there is no command version", "did you mean info?"),
      ("explain .", "there is no command explain", "did you mean build --explain?"),
      ("frobnicate", "there is no command frobnicate", "help lists what there is"),
      ("network creat x", "network has no command creat", "did you mean create? help network"),
      ("volume frobnicate", "volume has no command frobnicate", "there are create, ls, inspect"),
      ("ps --al", "Unknown option '--al'. Did you mean '--all'?", "help ps"),
      ("network rm", "Missing expected argument", "help network rm"),
      ("help imagse", "there is no command imagse", "did you mean images?"),
      ("run --rm -e", "Missing value for '-e <env>'", "help run"),
    ])
  func nearMiss(line: String, problem: String, hint: String) async throws {
    try await withStore { store in
      for arguments in [["-c", line], ["-n", "-c", line]] {
        let result = try await store.runProgram("coracle-repl", arguments)
        #expect(result.status == .exited(2))
        #expect(
          result.errorText.contains("error: \(problem)") && result.errorText.contains("hint: \(hint)"),
          "\(result.errorText)")
      }
    }
  }

  @Test("for a program what failed is one line of JSON, with its kind, causes and hint")
  func errors() async throws {
    try await withStore { store in
      let archive = try await store.busyboxArchive()
      let made = try await store.runProgram(
        "coracle-repl", ["-c", "import \(archive) a:1; create --name web a:1 true"])
      #expect(made.succeeded, "\(made.errorText)")
      for (line, status, kind) in [
        ("image none:1", 1, "notFound"), ("create --name web a:1 true", 1, "alreadyExists"),
        ("port web 80", 1, "notFound"), ("rm nobody", 1, "notFound"), ("imagse", 2, "invalidArgument"),
        ("ps --al", 2, "invalidArgument"), ("run 'a:1", 2, "invalidArgument"),
      ] as [(String, Int32, String)] {
        let result = try await store.runProgram("coracle-repl", ["--json", "-c", line])
        #expect(result.text.isEmpty && result.status == .exited(status), "\(line): \(result.errorText)")
        let object = try JSONSerialization.jsonObject(with: Data(result.errorText.utf8)) as? [String: Any]
        let error = try #require(object?["error"] as? [String: Any], "\(line)")
        #expect(error["code"] is Int && (error["message"] as? String)?.isEmpty == false, "\(line)")
        let data = error["data"] as? [String: Any]
        #expect(data?["kind"] as? String == kind, "\(line): \(error)")
        #expect(data?["causes"] is [String], "\(line)")
      }
      let ports = try await store.runProgram("coracle-repl", ["--json", "-c", "port web"])
      #expect(ports.text == #"{"ports":[]}"# + "\n" && ports.succeeded, "\(ports.errorText)")
    }
  }

  @Test("a build and an import report the name that was asked for, also where the image has others")
  func names() async throws {
    try await withStore { store in
      let archive = try await store.busyboxArchive()
      try store.directory.appending("Dockerfile").write("FROM a:1\nRUN --network=none true\n".utf8)
      for name in ["b:1", "a-second:2", "third"] {
        let whole = name.contains(":") ? name : "\(name):latest"
        let result = try await store.runProgram(
          "coracle-repl",
          [
            "-c", "import \(archive) a:1", "-c", "import \(archive) \(name)", "-c",
            "build -t built-\(name) \(store.directory)",
          ])
        let lines = result.text.split(separator: "\n").filter { $0.contains("  ") }
        #expect(
          lines.map { $0.prefix { $0 != " " } } == ["a:1", Substring(whole), Substring("built-\(whole)")],
          "\(result.text)\(result.errorText)")
      }
    }
  }

  @Test(
    "several -c are run in their order, up to the first that fails; -q lists names alone; lists are JSON where asked"
  )
  func lists() async throws {
    try await withStore { store in
      let archive = try await store.busyboxArchive()
      let made = try await store.runProgram(
        "coracle-repl",
        [
          "-c", "import \(archive) a:1", "-c", "create --name one a:1 true; volume create data",
          "-c", "run --name two a:1 sh -c 'exit 7'", "-c", "volume create never",
        ])
      #expect(made.status == .exited(7), "\(made.errorText)")
      for (line, names) in [
        ("ps -aq", "two\none\n"), ("ps -q", ""), ("images -q", "a:1\n"), ("volume ls -q", "data\n"),
        ("network ls -q", ""), ("volume", "NAME"),
      ] {
        let result = try await store.runProgram("coracle-repl", ["-c", line])
        #expect(
          result.succeeded && (line == "volume" ? result.text.hasPrefix(names) : result.text == names),
          "\(line)")
      }
      for line in [
        "ps -a", "images", "volume ls", "network ls", "build-cache", "history a:1", "image a:1", "disk",
        "info",
        "ping", "inspect one", "diff two", "stats --no-stream", "verify", "prune",
      ] {
        let result = try await store.runProgram("coracle-repl", ["--json", "-c", line])
        let lines = result.text.split(separator: "\n")
        #expect(result.succeeded && lines.count == 1, "\(line): \(result.text)\(result.errorText)")
        for line in lines { _ = try JSONSerialization.jsonObject(with: Data(line.utf8)) }
      }
    }
  }

  @Test("what an image says of itself does nothing to the terminal")
  func hostileText() async throws {
    try await withStore { store in
      let archive = try await store.busyboxArchive()
      // A title for the window, a line above, and a name read from right to left.
      let hostile = "a\u{1B}]0;title\u{7}b\u{1B}[2Ac\rd\u{202E}e\u{9B}2J\nf"
      let script = "import \(archive) a:1 -m '\(hostile)' --label 'x=\(hostile)'; history a:1; image a:1"
      let result = try await store.runProgram("coracle-repl", ["-c", script])
      #expect(result.succeeded, "\(result.errorText)")
      #expect(
        result.text.components(separatedBy: "b\u{FFFD}[2Ac d\u{FFFD}e").count == 3, "\(result.text)")
      let scalars = (result.text + result.errorText).unicodeScalars
      #expect(!scalars.contains { ["\u{1B}", "\u{7}", "\r", "\u{202E}", "\u{9B}"].contains($0) })
    }
  }

  @Test("another machine's engine: archives and contexts are this one's", arguments: Account.available)
  func server(account: Account) async throws {
    try await withTestStore(account) { store in
      // What ssh does: the rest of its words are a command for a shell elsewhere.
      let remote = store.directory.appending("remote")
      try remote.write("#!/bin/sh\nhost=$1; shift; cd / && exec sh -c \"$*\"\n".utf8)
      #expect(try await ChildProcess.run(["chmod", "755", remote.string]).succeeded)
      let archive = try await store.busyboxArchive()
      let context = store.directory.appending("app")
      let made = try await ChildProcess.run(
        store.account.launcher + [
          "sh", "-ec",
          "mkdir app; echo hello > app/page; printf 'FROM a:1\\nCOPY page /\\n' > app/Dockerfile",
        ], workingDirectory: store.directory)
      #expect(made.succeeded, "\(made.errorText)")
      let coracle = try Programs.directory.get().appending("coracle")
      let server = ["--server", "\(remote) host \(coracle) serve"]
      let script = """
        import \(archive.lastComponent?.string ?? "") a:1
        build -t app:1 \(context.lastComponent?.string ?? "")
        run --rm app:1 cat /page
        save app:1 -o saved.tar
        rmi app:1
        load saved.tar
        run --rm app:1 cat /page
        """
      let result = try await store.runProgram("coracle-repl", server + ["-c", script])
      #expect(result.succeeded, "\(result.errorText)")
      #expect(result.text.components(separatedBy: "hello\n").count == 3, "\(result.text)")
      let failed = try await store.runProgram("coracle-repl", server + ["-c", "export nobody -o root.tar"])
      #expect(failed.status == .exited(1) && failed.errorText.contains("no such container"))
      #expect(!FileManager.default.fileExists(atPath: store.directory.appending("root.tar").string))
      let copied = try await store.runProgram("coracle-repl", server + ["-c", "cp app/page web:/"])
      #expect(copied.errorText.contains("no such container: web"), "\(copied.errorText)")
      // What is behind serve goes there, and the framing is the client's.
      let told = try await store.runProgram(
        "coracle-repl", ["--server", "\(remote) host \(coracle) serve --log-level info", "-c", "ping"])
      #expect(told.succeeded && told.errorText.contains("the client is coracle-repl"), "\(told.errorText)")
      let framed = try await store.runProgram(
        "coracle-repl", ["--server", "\(coracle) serve --framing lines", "-c", "ping"])
      #expect(
        framed.status == .exited(2) && framed.errorText.contains("hint: leave --framing out"),
        "\(framed.errorText)")
      let silent = try await store.runProgram("coracle-repl", ["--server", "true", "-c", "ping"])
      #expect(
        silent.status == .exited(2) && silent.errorText.contains("the service has ended"),
        "\(silent.errorText)")
    }
  }
}
