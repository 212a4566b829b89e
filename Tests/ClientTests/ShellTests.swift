import Foundation
import TestSupport
import Testing

@Suite("Coracle from the shell")
struct ShellTests {
  private func withProject(_ account: Account, _ body: @Sendable (ClientProject) async throws -> Void)
    async throws
  {
    try await withTestStore(account) { store in
      try await store.importHello()
      try await body(ClientProject(["clients/shell"], for: store))
    }
  }

  @Test("run passes on outputs of any bytes, the exit code, and errors", arguments: Account.available)
  func run(account: Account) async throws {
    try await withProject(account) { project in
      let mixed = try await project.run([
        "clients/shell/run", "hello:1", "sh", "-c",
        #"echo out; echo "two  words"; echo err >&2; printf '\377\0x'; exit 3"#,
      ])
      #expect(mixed.stdout == Array("out\ntwo  words\n".utf8) + [255, 0, 120])
      #expect(mixed.errorText == "err\n" && mixed.status == .exited(3))
      // More than the credit at the beginning.
      let much = try await project.run(["clients/shell/run", "hello:1", "seq", "30000"])
      #expect(much.text == (1...30_000).map { "\($0)\n" }.joined())
      let missing = try await project.run(["clients/shell/run", "missing:1"])
      #expect(missing.status == .exited(1) && missing.errorText.contains("hint: pull it"), "\(missing.all)")
    }
  }

  @Test("Ctrl-C ends run, and the container with it", arguments: Account.available)
  func interrupt(account: Account) async throws {
    try await withProject(account) { project in
      let script = """
        set -em
        PATH=$PWD/clients/shell:$PATH
        events cursor 0
        mkfifo out
        run hello:1 sh -c 'echo up; exec sleep 1000' > out &
        read -r line < out
        test "$line" = up
        kill -INT -- -$!
        wait $! || true
        events cursor 4 | cut -f 2
        test -z "$(coracle repl -c 'ps -aq')"
        """
      let result = try await project.run(["bash", "-c", script])
      let kinds = ["created", "started", "exited", "removed"].map { "container.\($0)\n" }
      #expect(result.succeeded && result.text == kinds.joined(), "\(result.all)")
    }
  }

  @Test(
    "a service that ends early is told of, whenever that is",
    arguments: [
      "exit 3", #"read -r line; echo '{"id": 1, "result": {}}'; exit 3"#, "read -r line; printf '{'",
    ])
  func earlyEnd(service: String) async throws {
    let account = try #require(Account.available.last)
    try await withTestStore(account) { store in
      let script = """
        set -euo pipefail
        source clients/shell/coracle.bash
        coracle_open sh -c "$1"
        # By then it has ended, and bash has seen that.
        wait "$coracle_pid" || true
        coracle_request system/ping
        echo 'not to be reached'
        """
      let result = try await ClientProject(["clients/shell"], for: store).run([
        "bash", "-c", script, "bash", service,
      ])
      #expect(result.status == .exited(1) && result.text.isEmpty, "\(result.all)")
      #expect(result.errorText == "the service has ended\n", "\(result.all)")
    }
  }

  @Test("events go on where they were, and what has ended is removed", arguments: Account.available)
  func events(account: Account) async throws {
    try await withProject(account) { project in
      func script(_ text: String) async throws -> String {
        let result = try await project.run(["bash", "-ec", "PATH=$PWD/clients/shell:$PATH\n\(text)"])
        #expect(result.succeeded, "\(result.all)")
        return result.text
      }
      func kinds(_ text: String) -> [String] {
        text.split(separator: "\n").map { $0.split(separator: "\t").dropFirst().joined(separator: " ") }
      }
      #expect(try await script("events cursor 0") == "")
      _ = try await script(
        "coracle repl -c 'run --name good hello:1 true'; coracle repl -c 'run --name bad hello:1 false' || true"
      )
      #expect(
        kinds(try await script("events cursor 2")) == ["container.created good", "container.started good"])
      #expect(
        kinds(try await script("events cursor 4")) == [
          "container.exited good exit code 0", "container.created bad", "container.started bad",
          "container.exited bad exit code 1",
        ])
      #expect(try await script("remove-exited") == "good\n")
      #expect(kinds(try await script("events cursor 1")) == ["container.removed good"])
      let images = try await script("images")
      #expect(images.hasPrefix("docker.io/library/hello:1\tlinux/"))
    }
  }

  /// A stand-in for a service that has the lines of the first argument to say when it is subscribed to.
  private static let standIn = #"""
    set -e
    mkdir bin
    printf '%s' "$1" > messages
    cat > bin/coracle << 'END'
    #!/bin/sh
    while read -r line; do
      id=$(printf '%s' "$line" | jq -c .id)
      case $line in
        *event/subscribe*)
          echo '{"jsonrpc": "2.0", "id": '"$id"', "result": {"subscription": "e1", "cursor": "0-1"}}'
          cat messages ;;
        *'"id"'*) echo '{"jsonrpc": "2.0", "id": '"$id"', "result": {}}' ;;
        *'"exit"'*) exit ;;
      esac
    done
    END
    chmod +x bin/coracle
    PATH=$PWD/bin:$PATH clients/shell/events cursor $2 || echo "status $?"
    cat cursor
    """#

  @Test("events keep their place, whatever else the service says", arguments: Account.available)
  func eventsAmongOthers(account: Account) async throws {
    let about = #""cursor": "0-2", "time": "2026", "kind": "k", "subject": "s", "attributes": {}"#
    let event = #"{"method": "event/occurred", "params": {\#(about)}}"#
    let other =
      #"{"method": "task/finished", "params": {"task": 1, "outcome": "succeeded", "durationMs": 1}}"#
    let ended =
      #"{"method": "event/ended", "params": {"subscription": "e1", "error": {"message": "the journal is away"}}}"#
    func events(_ messages: [String], count: String) async throws -> ChildProcess.Result {
      try await withTestStore(account) { store in
        try await ClientProject(["clients/shell"], for: store).run([
          "bash", "-c", Self.standIn, "bash", messages.map { "\($0)\n" }.joined(), count,
        ])
      }
    }
    let counted = try await events([other, event, other], count: "1")
    #expect(counted.text == "2026\tk\ts\n0-2\n", "\(counted.all)")
    let broken = try await events([event, other, ended], count: "")
    #expect(broken.text == "2026\tk\ts\nstatus 1\n0-2\n", "\(broken.all)")
    #expect(broken.errorText.contains("the journal is away"), "\(broken.all)")
  }

  @Test("what its README shows works", arguments: Account.available)
  func readme(account: Account) async throws {
    let text = try String(contentsOfFile: "\(ClientProject.root)/clients/shell/README.md", encoding: .utf8)
    let blocks = text.split(separator: "```").enumerated().filter { $0.offset % 2 == 1 }.map(\.element)
    let shell = try #require(blocks.first { $0.hasPrefix("sh\n") }).dropFirst(3)
    let bash = try #require(blocks.first { $0.hasPrefix("bash\n") }).dropFirst(5)
    try await withProject(account) { project in
      let script = "set -e\nclients/shell/events cursor 0\n\(shell)\n"
      let result = try await project.run(["bash", "-c", script])
      #expect(result.succeeded && result.text.hasPrefix("hello\n"), "\(result.all)")
      let listed = try await project.run([
        "bash", "-ec", "coracle repl -c 'create --name made hello:1 true' >&2\n\(bash)",
      ])
      #expect(listed.text == "made created\n", "\(listed.all)")
    }
  }
}
