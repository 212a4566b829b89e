import TestSupport
import Testing

@Suite("What the REPL shows, in tmux")
struct REPLShowTests {
  @Test(
    "logs -f, stats and events: they go on until Ctrl-C, and the prompt comes back",
    arguments: Account.available)
  func following(account: Account) async throws {
    let script = "run -d --name web --init hello:1 sh -c 'echo one; echo two; sleep 1000'"
    try await withREPLPrompt(account, script) { _, screen in
      try await screen.enter("logs -f web")
      try await screen.wait(for: "one\ntwo")
      try await screen.press("C-c")
      try await screen.wait(for: "two\n^C\ncoracle>")
      try await screen.enter("stats web")
      try await screen.wait(toShow: "NAME  CPU")
      try await screen.press("C-c")
      try await screen.wait(for: "coracle>")
      try await withFaultyServer { server in
        server.on("GET", "/v2/app/manifests/1", FaultyResponse(fault: .silent))
        try await screen.enter("pull \(server.host)/app:1")
        // A key before the line is read would give the line up.
        try await server.arrival()
        try await screen.press("C-c")
        try await screen.wait(toShow: "cancelled\ncoracle>")
      }
      try await screen.enter("events on")
      try await screen.wait(for: "coracle> events on\ncoracle>")
      try await screen.enter("rename web other")
      try await screen.wait(toShow: "container.renamed")
      try await screen.enter("clear")
      try await screen.wait(for: "coracle>", whole: true)
      try await screen.enter("history hello:1")
      try await screen.wait(toShow: "import busybox.tar")
      try await screen.enter("stop -t 0 othr")
      try await screen.wait(for: "error: no such container: othr\n  hint: did you mean other?\ncoracle>")
    }
  }

  @Test("a push and a pull: a row for each layer, in whatever window", arguments: [40, 80])
  func transfers(columns: Int) async throws {
    try await withREPLPrompt(try #require(Account.available.last), columns: columns) { _, screen in
      try await withDockerRegistry { registry in
        let name = "\(registry.host)/app:1"
        try await screen.enter("tag hello:1 \(name)")
        for command in ["push", "pull"] {
          try await screen.enter("clear")
          try await screen.wait(for: "coracle>", whole: true)
          try await screen.enter("\(command) \(name)")
          try await screen.wait(toShow: "✓")
          try await screen.wait(for: "coracle>")
          let rows = try await screen.text.split(separator: "\n")
          #expect(rows.contains { $0.contains("layer ") && $0.contains("✓") }, "\(command): \(rows)")
          // A row that does not fit would go on in the next line.
          #expect(rows.allSatisfy { $0.count <= columns }, "\(rows)")
          #expect(!rows.contains { $0.contains("error") }, "\(command): \(rows)")
          if command == "push" {
            try await screen.enter("rmi \(name) hello:1")
            try await screen.wait(toShow: "deleted")
          }
        }
        try await screen.enter("clear")
        try await screen.wait(for: "coracle>", whole: true)
        try await screen.enter("images")
        try await screen.wait(toShow: "linux/")
      }
    }
  }

  @Test("colours, but for whom wants none", arguments: ["", "NO_COLOR=1"])
  func colours(variables: String) async throws {
    try await withREPLPrompt(try #require(Account.available.last), variables: variables) { _, screen in
      try await screen.enter("images")
      try await screen.wait(toShow: "linux/")
      try await screen.enter("rm nosuch")
      try await screen.wait(toShow: "error: ")
      let text = try await screen.styledText
      #expect(
        text.contains("\u{1B}[1m") == variables.isEmpty && text.contains("\u{1B}[31m") == variables.isEmpty)
    }
  }

  @Test("through another program, as ssh is one: a terminal in a container, its size, and its end")
  func server() async throws {
    let remote = "--server \"sh -c 'exec coracle serve'\""
    try await withREPLPrompt(try #require(Account.available.last), options: remote) { _, screen in
      try await screen.enter("run -it --rm hello:1 sh")
      try await screen.wait(for: "/ #")
      try await screen.resize(columns: 70, rows: 20)
      // It is told from window to window.
      try await screen.enter("until [ \"$(stty size)\" = '20 70' ]; do :; done; stty size")
      try await screen.wait(for: "20 70\n/ #")
      try await screen.enter("exit 3")
      try await screen.wait(for: "coracle>")
      try await screen.enter("ps -aq")
      try await screen.wait(for: "ps -aq\ncoracle>")
    }
  }
}
