import Foundation
import RPCModel
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

  @Test("attach without a terminal sends all bytes, detach keys too", arguments: Account.available)
  func binaryInput(account: Account) async throws {
    try await withTestStore(account) { store in
      let archive = try await store.busyboxArchive()
      let made = try await store.runProgram(
        "coracle-repl", ["-c", "import \(archive) hello:1; run -d -i --name bin hello:1 cat"])
      #expect(made.succeeded, "\(made.errorText)")
      let bytes = Array("abc\u{10}\u{11}def".utf8)
      let attached = try await store.runProgram(
        "coracle-repl", ["-c", "attach -i bin"], input: .bytes(bytes))
      #expect(attached.stdout == bytes && attached.succeeded, "\(attached)")
    }
  }

  @Test("a store that cannot be opened comes with what names another one")
  func store() async throws {
    try await withTestStore(try #require(Account.available.last)) { store in
      let file = store.directory.appending("file")
      try file.write([])
      for (option, setting) in [("--store", "CORACLE_STORE"), ("--run", "CORACLE_RUN")] {
        let told = try await store.runProgram(
          "coracle-repl", [option, file.appending("x").string, "-c", "ping"])
        #expect(told.status == .exited(2) && told.errorText.contains("error: cannot"), "\(told.errorText)")
        #expect(
          told.errorText.contains("Not a directory")
            && told.errorText.contains("hint: name another one with \(option) or \(setting)"),
          "\(told.errorText)")
      }
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

  @Test("inspect shows what was asked of a container, and nothing that was not")
  func settings() async throws {
    let account = try #require(Account.available.first)
    try await withTestStore(account) { store in
      let script = """
        import \(try await store.busyboxArchive()) a:1
        create --name plain a:1 true
        create --name full --restart on-failure:3 --pids-limit 20 --cpus 1.5 --cap-drop ALL --read-only --init \
          --tmpfs /tmp -v /etc:/host:ro --ulimit nofile=100:200 --security-opt seccomp=unconfined a:1 true
        inspect plain
        inspect full
        """
      let result = try await store.runProgram("coracle-repl", ["-c", script])
      #expect(result.status == .exited(0), "\(result.errorText)")
      let lines = result.text.split(separator: "\n").map { line in
        line.split(separator: " ", omittingEmptySubsequences: true).joined(separator: " ")
      }
      let full = try #require(lines.firstIndex(of: "name full"))
      let asked = [
        "restart on-failure:3", "processes 20", "processors 1.5", "capabilities -ALL", "root read-only",
        "first process the engine's, which reaps orphans", "tmpfs /tmp", "bind /host from /etc, read-only",
        "ulimit nofile=100:200", "seccomp unconfined",
      ]
      for line in asked {
        #expect(lines[full...].contains(line), "\(line)")
        #expect(!lines[..<full].contains(line), "\(line)")
      }
    }
  }

  @Test("commit and import take Docker's changes")
  func changes() async throws {
    let account = try #require(Account.available.first)
    try await withTestStore(account) { store in
      let archive = try await store.busyboxArchive()
      let script = """
        import \(archive) a:1 --change 'CMD ["sh", "-c", "echo hi"]' -c 'ENV A=1 B="two words"' -c 'ENV OLD form of it'
        create --name made a:1 true
        commit made b:1 -c 'EXPOSE 80 53/UDP' -c 'LABEL x=y' -c 'VOLUME ["/data"]' -c 'VOLUME /more' -c 'USER user' \
          -c 'WORKDIR /tmp' -c 'STOPSIGNAL SIGINT' -c 'ONBUILD RUN make it' -c 'ENTRYPOINT env' \
          -c 'HEALTHCHECK --interval=30s --retries=2 CMD ["true"]'
        image b:1
        run --rm a:1
        """
      let result = try await store.runProgram("coracle-repl", ["--json"], input: .bytes(Array(script.utf8)))
      #expect(result.status == .exited(0), "\(result.errorText)")
      #expect(result.text.contains("hi\n"))
      let line = try #require(result.text.split(separator: "\n").first { $0.contains("configDigest") })
      let config = try JSONDecoder().decode(ImageInspect.Result.self, from: Data(line.utf8)).config
      #expect(config.command == [] && config.entrypoint == ["/bin/sh", "-c", "env"])
      #expect(config.environment == ["A=1", "B=two words", "OLD=form of it"])
      #expect(config.exposedPorts == ["53/udp", "80/tcp"] && config.volumes == ["/data", "/more"])
      #expect(config.labels == ["x": "y"] && config.user == "user" && config.workingDirectory == "/tmp")
      #expect(config.stopSignal == "SIGINT" && config.onBuild == ["RUN make it"])
      #expect(config.healthCheck == HealthCheck(test: ["CMD", "true"], intervalMs: 30_000, retries: 2))
      for wrong in [
        "FROM x", "CMD [1]", "ENV =x", "HEALTHCHECK sometimes", "HEALTHCHECK --interval=soon CMD x",
      ] {
        let refused = try await store.runProgram("coracle-repl", ["-c", "commit made c:1 -c '\(wrong)'"])
        #expect(
          refused.status != .exited(0) && refused.errorText.contains("cannot take the change"), "\(wrong)")
      }
    }
  }

  @Test("disk and prune: what a person sees, and that nothing goes unasked", arguments: Account.available)
  func store(account: Account) async throws {
    try await withTestStore(account) { store in
      let archive = try await store.busyboxArchive()
      let made = try await store.runProgram(
        "coracle-repl", ["-c", "import \(archive) a:1; run --name done a:1 true; disk; prune"])
      #expect(made.status == .exited(0), "\(made.errorText)")
      #expect(made.text.contains("WHAT") && made.text.contains("the engine's own"))
      #expect(made.text.contains("container  done") && made.text.contains("it has ended with status 0"))
      #expect(made.errorText.contains("nothing was removed; --yes"))
      let done = try await store.runProgram(
        "coracle-repl", ["-c", "prune --older-than 1h; prune --yes; ps -a; prune --all-images -y; images"])
      #expect(done.status == .exited(0), "\(done.errorText)")
      #expect(done.text.hasPrefix("there is nothing to remove\n") && done.text.contains("given back"))
      #expect(done.text.hasSuffix("NAME  DIGEST  PLATFORM  LAYERS  ON DISK  UNIQUE  CREATED\n"))
    }
  }

  @Test("limits, update, top, stats and pause at the REPL", arguments: Account.available)
  func resources(account: Account) async throws {
    try await withTestStore(account) { store in
      let archive = try await store.busyboxArchive()
      let script = """
        import \(archive) a:1
        run -d --name web --ulimit nofile=64:128 --shm-size 2m --oom-score-adj 100 a:1 sleep 1000
        exec web sh -c 'ulimit -n; cat /proc/self/oom_score_adj'
        update -m 64m --cpus 0.5 --pids-limit 50 web
        inspect web
        top web
        stats --no-stream
        rm -f web
        """
      let made = try await store.runProgram("coracle-repl", ["-c", script.replacing("\n", with: ";")])
      #expect(made.status == .exited(0), "\(made.errorText)")
      #expect(made.text.contains("\n64\n100\n"), "\(made.text)")
      #expect(made.text.contains("INSIDE") && made.text.contains("sleep 1000"))
      #expect(
        made.text.contains("CPU TIME") && made.text.split(separator: "\n").contains { $0.hasPrefix("web ") })
      // Where nothing is delegated to the user, each limit says so.
      #expect(
        account == .root
          || made.errorText.contains("limits.memoryBytes does not apply: "), "\(made.errorText)")
      for (wrong, why) in [
        ("run -m much a:1 true", "much"), ("run --memory-swap 1m a:1 true", "--memory"),
        ("run -m 1m a:1 true", "memoryBytes"), ("run --ulimit nofile a:1 true", "nofile"),
        ("pause nobody", "nobody"),
      ] {
        let refused = try await store.runProgram("coracle-repl", ["-c", wrong])
        #expect(refused.status != .exited(0) && refused.errorText.contains(why), "\(refused.errorText)")
      }
    }
  }

  @Test("restart, rename, wait and cp; options for a container's life", arguments: Account.available)
  func life(account: Account) async throws {
    try await withTestStore(account) { store in
      let archive = try await store.busyboxArchive()
      let page = store.directory.appending("page")
      try page.write("from the host\n".utf8)
      let script = """
        import \(archive) a:1
        run -d --name web --restart on-failure:3 --init --health-cmd true --health-interval 20ms a:1 sh -c 'echo ready; exec sleep 1000'
        wait --log ready web
        wait --healthy -t 300 web
        cp \(page) web:/etc/page
        exec web cat /etc/page
        restart -t 0 web
        rename web site
        cp site:/etc/page \(store.directory)/back
        rm -f site
        """
      let made = try await store.runProgram(
        "coracle-repl", ["-c", script.replacing("\n", with: ";")])
      #expect(made.status == .exited(0), "\(made.errorText)")
      #expect(
        made.text.contains("ready\n1 file, ") && made.text.contains("\nfrom the host\n"), "\(made.text)")
      #expect(try store.directory.appending("back").readAll() == Array("from the host\n".utf8))
      for (wrong, why) in [
        ("run --restart sometimes a:1 true", "there is no restart policy sometimes"),
        ("cp a b", "CONTAINER:PATH"),
        ("wait --healthy --port 80 web", "one thing"),
      ] {
        let result = try await store.runProgram("coracle-repl", ["-c", wrong])
        #expect(result.status != .exited(0) && result.errorText.contains(why), "\(result.errorText)")
      }
    }
  }

  @Test("events end with the service, and where nothing is to come", arguments: Account.available)
  func eventsEnd(account: Account) async throws {
    try await withTestStore(account) { store in
      let script = """
        coracle-repl -c 'volume create data' -c 'events --since 999999-1' || exit 3
        printf '#!/bin/sh\\necho $$ > pid\\nexec coracle "$@"\\n' > server; chmod 755 server; mkfifo shown
        coracle-repl --server ./server -c 'events -f' > shown & repl=$!
        exec 3< shown; read -r line <&3; echo "$line"
        kill -9 "$(cat pid)"; wait $repl; echo $?
        """
      let result = try await store.run(["sh", "-c", script])
      let lines = result.text.split(separator: "\n")
      #expect(lines.count == 3 && lines.first == "data", "\(lines)")
      #expect(lines[1].contains("volume.created") && lines[2] == "1", "\(lines)")
      #expect(result.errorText.contains("error: the service has ended"), "\(result.errorText)")
    }
  }

  @Test("a script with the line ends of another system is read to its end")
  func lineEnds() async throws {
    try await withTestStore(#require(Account.available.first)) { store in
      for script in ["ping # all is well\r\nfrobnicate\r\n", "ping \\\r\n\r\nfrobnicate", "ping\rfrobnicate"]
      {
        let result = try await store.runProgram(
          "coracle-repl", ["--check"], input: .bytes(Array(script.utf8)))
        #expect(result.status == .exited(2), "\(script)")
        #expect(result.errorText.contains("there is no command frobnicate"), "\(result.errorText)")
      }
    }
  }

  @Test(
    "what is wrong before the service is asked comes with a hint",
    arguments: [
      ("-c 'stop -t inf web'", "--time is a number of seconds", "leave it out"),
      ("-c 'restart -t nan web'", "--time is a number of seconds", "leave it out"),
      ("-c 'run --stop-timeout 1e300 a:1'", "--stop-timeout is a number of seconds", "leave it out"),
      ("-c 'ps \"'", "the quotation that begins with \" has no end", "end it"),
      ("none.script", "because: No such file or directory", "look whether the path"),
      (".", "because: Is a directory", "give the path of a file"),
      ("--server 'nobody host' -c ping", "there is no program nobody in PATH", "install it"),
      ("--server true -c ping", "the service has ended", "look what it said"),
    ])
  func hints(arguments: String, problem: String, hint: String) async throws {
    try await withTestStore(#require(Account.available.first)) { store in
      let result = try await store.run(["sh", "-c", "coracle-repl \(arguments)"])
      #expect(!result.succeeded)
      #expect(
        result.errorText.contains(problem) && result.errorText.contains("hint: \(hint)"),
        "\(result.errorText)")
    }
  }
}
