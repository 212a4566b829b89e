import Foundation
import TestSupport
import Testing

@Suite("Over ssh host coracle serve")
struct SSHTests {
  /// With `hello:1` in the store of the host's.
  private func withHost(
    _ account: Account, _ parts: [String] = [],
    _ body: @Sendable (TestStore, ClientProject, SSHHost) async throws -> Void
  ) async throws {
    try await withTestStore(account) { store in
      let project = try await ClientProject(["README.md"] + parts, for: store)
      try await store.importHello()
      try await body(store, project, try await SSHHost(for: store))
    }
  }

  @Test("the REPL's commands: archives and contexts go there and come back", arguments: Account.available)
  func commands(account: Account) async throws {
    try await withHost(account) { _, project, host in
      let script = """
        run -d --name web hello:1 sh -c "echo ready; exec sleep 1000"
        ps -q
        exec web echo executed
        build --network none -t app:1 app
        save app:1 -o app.tar
        rmi app:1
        load app.tar
        run --rm app:1 cat /page
        logs web
        """
      let made = try await project.run([
        "sh", "-ec",
        "mkdir app; echo a page > app/page; printf 'FROM hello:1\\nCOPY page /\\n' > app/Dockerfile",
      ])
      #expect(made.succeeded, "\(made.errorText)")
      // Without the store of the client's: only the host knows it.
      let said = try await project.run(
        ["coracle-repl", "--server", host.server, "-c", script],
        environment: ["CORACLE_STORE": "/nowhere", "CORACLE_RUN": "/nowhere"])
      #expect(said.succeeded, "\(said.all)")
      for line in ["executed", "a page", "ready"] {
        #expect(said.text.split(separator: "\n").contains { $0 == line }, "\(line): \(said.all)")
      }
      let copied = try await project.run(
        [
          "sh", "-ec",
          """
          repl() { coracle-repl --server "$server" -c "$1"; }
          repl 'cp README.md web:/tmp/
          cp README.md web:/tmp/other.md
          cp app web:/srv
          cp app/. web:/tmp
          exec web cat /srv/page /tmp/page'
          repl 'cp web:/tmp/other.md "back & again.md"
          cp web:/srv .
          cp web:/srv/. fresh'
          cmp README.md 'back & again.md'; cat srv/page fresh/page
          ! repl 'cp web:/tmp/README.md nowhere/x' 2> refused; grep -q nowhere refused
          ! repl 'cp none web:/tmp' 2> refused; grep -q 'none' refused
          ! repl 'cp web:/none x' 2> refused; grep -q 'there is no /none' refused
          repl 'exec web sh -c "cp /bin/busybox /su; chmod 4755 /su"
          cp web:/su su'
          test -x su; ! test -u su
          tar -cf - README.md | coracle-repl --server "$server" -c 'cp - web:/'
          coracle-repl --server "$server" -c 'cp web:/README.md -' | tar -xOf - | cmp - README.md
          repl 'rm -f web'
          """,
        ], environment: ["CORACLE_STORE": "/nowhere", "CORACLE_RUN": "/nowhere", "server": host.server])
      #expect(copied.succeeded, "\(copied.all)")
      #expect(copied.text.split(separator: "\n").count { $0 == "a page" } == 4, "\(copied.all)")
      let failed = try await project.run(
        ["coracle-repl", "--server", host.server, "-c", "run --rm hello:1 sh -c 'exit 7'"])
      #expect(failed.status == .exited(7), "\(failed.all)")
      let unknown = try await project.run(
        ["coracle-repl", "--server", host.server.replacing(" host ", with: " nobody.invalid "), "-c", "ps"])
      #expect(!unknown.succeeded && unknown.errorText.contains("nobody.invalid"), "\(unknown.all)")
    }
  }

  @Test(
    "on a machine where the client's process is none, or another's, the session lasts",
    .requires(.root))
  func elsewhere() async throws {
    try await withHost(.root) { store, project, _ in
      let host = try await SSHHost(for: store, hasOwnProcesses: true)
      let said = try await project.run(
        ["coracle-repl", "--server", host.server, "-c", "ping", "-c", "run --rm hello:1 sh -c 'echo $$'"],
        environment: ["CORACLE_STORE": "/nowhere", "CORACLE_RUN": "/nowhere"])
      #expect(said.succeeded && said.text.hasSuffix("1\n"), "\(said.all)")
    }
  }

  @Test(
    "the REPL at a terminal: a shell whose size follows the window, Ctrl-C, leaving it, and events",
    arguments: Account.available)
  func terminal(account: Account) async throws {
    try await withHost(account) { store, _, host in
      try await TmuxScreen.with(store) { screen in
        try await screen.wait(for: "host>")
        try await screen.enter("unset CORACLE_STORE CORACLE_RUN; server='\(host.server)'; clear")
        try await screen.enter("coracle-repl --server \"$server\" -c 'events -f' > events & clear")
        try await screen.enter("coracle-repl --server \"$server\"")
        try await screen.wait(for: "coracle>")
        try await screen.enter("run -it --name box hello:1 sh")
        try await screen.wait(for: "/ #")
        try await screen.resize(columns: 70, rows: 20)
        try await screen.enter("until [ \"$(stty size)\" = '20 70' ]; do sleep 0.1; done; clear; stty size")
        try await screen.wait(for: "20 70\n/ #")
        try await screen.enter("clear; echo go; sleep 1000")
        try await screen.wait(for: "go")
        try await screen.press("C-c")
        try await screen.wait(for: "/ #")
        try await screen.press("C-p", "C-q")
        try await screen.wait(for: "coracle>")
        try await screen.enter("ps -q --no-trunc")
        try await screen.enter("stop -t 0 box")
        try await screen.enter("exit")
        try await screen.wait(for: "host>")
        try await screen.enter("clear; until grep -q exited events; do sleep 0.1; done; kill %1; echo told")
        try await screen.wait(toShow: "told\n")
      }
    }
  }

  @Test("Python, Neovim and Emacs", arguments: Account.available)
  func others(account: Account) async throws {
    let parts = ["clients/python", "clients/nvim", "clients/emacs"]
    try await withHost(account, parts) { _, project, host in
      let command = host.command + ["host", "coracle", "serve"]
      let environment = ["CORACLE_STORE": "/nowhere", "CORACLE_RUN": "/nowhere"]
      let program = """
        import sys
        from coracle import Client
        with Client(sys.argv[1:]) as client:
            with client.start("hello:1", ["sh", "-c", "echo ready; exec sleep 1000"]) as web:
                web.wait_for_log("ready")
                web.write_file("/note", "over ssh")
                print(web.exec(["cat", "/note"], check=True).text)
        """
      let python = try await project.run(
        ["python3", "-c", program] + command,
        environment: environment.merging(["PYTHONPATH": "clients/python/src"]) { $1 })
      #expect(python.text == "over ssh\n", "\(python.all)")
      let words = command.map { "'\($0)'" }
      let lua = """
        require('coracle').setup({ command = { \(words.joined(separator: ", ")) } })
        local answer
        require('coracle.session').request('image/list', vim.empty_dict(), function(err, result)
          answer = err and err.message or vim.inspect(result.images[1].references)
        end)
        vim.wait(300000, function() return answer end)
        io.stdout:write(answer or 'no answer', '\\n')
        """
      let neovim = try await project.run(
        [
          "timeout", "-k", "10", "600", "nvim", "--headless", "-u", "NONE", "-i", "NONE", "--cmd",
          "set rtp^=clients/nvim", "-c", "runtime plugin/coracle.lua",
          "-c", "lua " + lua.replacing("\n", with: " "), "-c", "qa!",
        ], environment: environment)
      #expect(neovim.text == "{ \"docker.io/library/hello:1\" }\n", "\(neovim.all)")
      let list = command.map { "\"\($0)\"" }.joined(separator: " ")
      let emacs = try await project.run(
        [
          "timeout", "-k", "10", "600",
          "emacs", "-Q", "--batch", "-L", "clients/emacs", "-l", "coracle", "--eval",
          "(progn (setq coracle-command '(\(list))) (princ (aref (plist-get (aref (plist-get (coracle-ask 'image/list) :images) 0) :references) 0)) (coracle-stop))",
        ], environment: environment)
      #expect(emacs.text == "docker.io/library/hello:1", "\(emacs.all)")
    }
  }
}
