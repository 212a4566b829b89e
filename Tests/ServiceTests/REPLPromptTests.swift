import Foundation
import TestSupport
import Testing

@Suite("The REPL's prompt, in tmux")
struct REPLPromptTests {
  @Test("the Tab key: commands, sub-commands, options, names and paths", arguments: Account.available)
  func completion(account: Account) async throws {
    let script = """
      run --name web hello:1 sh -c "mkdir '/the place'; touch '/the place/one' /bin/own /etc/printf; ln -s bin /programs"
      create --name well hello:1 true; volume create data; run -d --name busy --init hello:1 sleep 1000
      """
    try await withREPLPrompt(account, script) { store, screen in
      let directory = try await ChildProcess.run(
        store.account.launcher + [
          "sh", "-ec", "mkdir 'my files' ünï; touch 'my files/page' 'my files/.hidden' ünï/éclair ünï/日本",
        ],
        workingDirectory: store.directory)
      #expect(directory.succeeded)
      for (typed, completed) in [
        ("netw", "network"), ("network crea", "network create"),
        ("network create --sub", "network create --subnet"),
        ("help volume ins", "help volume inspect"),
        ("run --rm --restart on", "run --rm --restart on-failure"),
        ("run --name x --rm hel", "run --name x --rm hello:1"), ("run -itv da", "run -itv data:"),
        ("inspect we", "inspect we"), ("inspect wel", "inspect well"), ("rm web we", "rm web well"),
        ("ps; volume rm da", "ps; volume rm data"), ("cp my", "cp my\\ files/"),
        ("cp my\\ files/p", "cp my\\ files/page"), ("cp my\\ files/.h", "cp my\\ files/.hidden"),
        ("cp web:/etc/x my", "cp web:/etc/x my\\ files/"), ("cp wel", "cp well:/"),
        // In containers that have ended, were never started, or run.
        ("cp web:/et", "cp web:/etc/"), ("cp web:/bin/ow", "cp web:/bin/own"),
        ("cp web:/prog", "cp web:/programs/"),
        ("cp web:/th", "cp web:/the\\ place/"), ("cp web:/the\\ place/o", "cp web:/the\\ place/one"),
        ("cp my\\ files/page well:/etc/pass", "cp my\\ files/page well:/etc/passwd"),
        ("exec busy cat /etc/pas", "exec busy cat /etc/passwd"),
        ("exec busy /bin/hostn", "exec busy /bin/hostname"),
        ("cp ü", "cp ünï/"), ("cp ünï/é", "cp ünï/éclair"), ("cp ünï/日", "cp ünï/日本"),
        ("build -f my", "build -f my\\ files/"), ("run --network=ho", "run --network=host"),
        ("prune buil", "prune buildCache"), ("events o", "events o"),
      ] {
        try await screen.type(typed)
        try await screen.press("Tab")
        // A key of its own, so that what Tab did is known to be done; it is behind a blank where the word is whole.
        try await screen.type("|")
        let isOpen = completed == typed || "/:".contains(completed.last ?? " ")
        try await screen.wait(for: "coracle> \(completed)\(isOpen ? "" : " ")|")
        try await screen.press("C-c")
        try await screen.wait(for: "^C\ncoracle>")
      }
      try await screen.enter("clear")
      try await screen.wait(for: "coracle>", whole: true)
      try await screen.type("rm w")
      try await screen.press("Tab", "Tab")
      try await screen.wait(for: "web   well\ncoracle> rm we")
    }
  }

  @Test("what was typed is there in the next session", arguments: Account.available)
  func history(account: Account) async throws {
    try await withREPLPrompt(account) { store, screen in
      try await screen.enter("ps")
      try await screen.wait(for: "CREATED\ncoracle>")
      try await screen.enter("volume create kept")
      try await screen.wait(for: "kept\ncoracle>")
      // It is there before the session ends, however that does.
      let file = store.directory.appending("past").string
      #expect(try String(contentsOfFile: file, encoding: .utf8) == "ps\nvolume create kept\n")
      let mode = try await ChildProcess.run(["stat", "-c", "%a", file])
      #expect(mode.text == "600\n")
      try await screen.press("C-d")
      try await screen.wait(for: "host>")
      try await screen.enter("clear; coracle-repl")
      try await screen.wait(for: "coracle>")
      try await screen.press("Up")
      try await screen.wait(for: "coracle> volume create kept")
      try await screen.press("Up")
      try await screen.wait(for: "coracle> ps")
      try await screen.press("C-c")
      try await screen.wait(for: "coracle>")
      try await screen.press("C-d")
      try await screen.wait(for: "host>")
      // Many more than are kept: the file is replaced, by one that nobody else may read.
      try await screen.enter(
        "clear; yes ping | head -n 2500 > $HOME/past; chmod 644 $HOME/past; coracle-repl")
      try await screen.wait(for: "coracle>")
      let lines = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n")
      #expect(lines.count == 1000 && lines.allSatisfy { $0 == "ping" })
      let newMode = try await ChildProcess.run(["stat", "-c", "%a", file])
      #expect(newMode.text == "600\n")
    }
  }

  @Test(
    "letters beyond ASCII are typed, corrected and had back, whatever the locale",
    arguments: Account.available,
    ["C.UTF-8", "C"])
  func letters(account: Account, locale: String) async throws {
    try await withREPLPrompt(account, variables: "LC_ALL=\(locale)") { store, screen in
      try await screen.enter("run --rm --network none hello:1 echo é ü 日本x")
      try await screen.wait(for: "\né ü 日本x\ncoracle>")
      // A character goes as a whole, however many bytes and columns it has.
      try await screen.type("run --rm --network none hello:1 echo ä日")
      try await screen.press("BSpace")
      try await screen.enter("ö")
      try await screen.wait(for: "\näö\ncoracle>")
      try await screen.press("C-d")
      try await screen.wait(for: "host>")
      let file = store.directory.appending("past").string
      let lines = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n")
      #expect(lines.map { $0.split(separator: " echo ").last } == ["é ü 日本x", "äö"])
      try await screen.enter("clear; coracle-repl")
      try await screen.wait(for: "coracle>")
      try await screen.press("Up")
      try await screen.wait(for: "echo äö")
      try await screen.press("Up")
      try await screen.wait(for: "echo é ü 日本x")
      try await screen.press("Enter")
      try await screen.wait(for: "\né ü 日本x\ncoracle>")
    }
  }

  @Test("a narrow window: rows become lines, and nothing is wider", arguments: Account.available)
  func narrow(account: Account) async throws {
    let script =
      "create --name a-container-with-a-long-name hello:1 sh -c 'echo one two three four five six seven'"
    try await withREPLPrompt(account, columns: 40, script) { _, screen in
      try await screen.enter("ps -a")
      try await screen.wait(for: "ago\ncoracle>")
      let shown = try await screen.text
      #expect(shown.contains("NAME     a-container-with-a-long-name\nID       "), "\(shown)")
      #expect(
        shown.contains("\nCOMMAND  ") && shown.split(separator: "\n").allSatisfy { $0 != "…" }, "\(shown)")
      try await screen.resize(columns: 100, rows: 24)
      try await screen.enter("clear")
      try await screen.wait(for: "coracle>", whole: true)
      try await screen.enter("ps -a")
      try await screen.wait(for: "ago\ncoracle>")
      let wide = try await screen.text.split(separator: "\n")
      #expect(wide.count == 4 && wide[1].hasPrefix("NAME  ") && wide.contains { $0.contains("…") }, "\(wide)")
    }
  }

  @Test("a build is a tree of stages", arguments: Account.available)
  func build(account: Account) async throws {
    let file = """
      FROM hello:1 AS one
      RUN echo first > /one
      FROM hello:1 AS two
      RUN echo a name that is a good deal longer than a line of this window can show at once > /two
      FROM one
      COPY --from=two /two /
      """
    try await withREPLPrompt(account, columns: 60) { store, screen in
      let made = try await ChildProcess.run(
        store.account.launcher + ["sh", "-ec", "mkdir app; cat > app/Dockerfile"],
        workingDirectory: store.directory, input: .bytes(Array(file.utf8)))
      #expect(made.succeeded)
      try await screen.enter("clear")
      try await screen.wait(for: "coracle>", whole: true)
      try await screen.enter("build --network none -t app:1 app")
      try await screen.wait(for: "instructions from the cache\ncoracle>")
      let lines = try await screen.text.split(separator: "\n")
      for stage in ["one", "two", "stage 2"] { #expect(lines.count { $0 == stage } == 1, "\(lines)") }
      let steps = lines.filter { $0.hasPrefix("  #") }
      #expect(steps.count == 3 && steps.allSatisfy { $0.contains("✓") && $0.hasSuffix(" s") }, "\(lines)")
      #expect(Set(steps.map { $0.prefix { $0 != "✓" }.count }).count == 1, "\(lines)")
      #expect(steps.contains { $0.contains("RUN echo a name") && $0.contains("…") }, "\(lines)")
    }
  }
}
