import TestSupport
import Testing

@Suite("The REPL with services that say what the real one does not")
struct REPLStandInTests {
  /// A service in Python that does `answer` for each message that is not about the session itself; it has `method`, `id`,
  /// and what `send` sends.
  private static func program(_ answer: String) -> String {
    #"""
    import json, sys

    def send(**message):
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        sys.stdout.buffer.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        sys.stdout.buffer.flush()

    def event(subscription, number):
        about = {"cursor": f"0-{number}", "time": "2026-01-01T00:00:00Z", "kind": "container.created"}
        about |= {"subject": f"s{number}", "attributes": {}}
        send(method="event/occurred", params={"subscription": subscription, **about})

    INFO = {
        "version": "0", "protocolVersion": "0.1", "platform": "linux/amd64", "kernel": "6", "isRootless": False,
        "storeDirectory": "/s", "runDirectory": "/r", "images": 0, "containers": 0, "runningContainers": 0,
        "cursor": "0-5",
    }
    ABILITIES = {"protocolVersion": "0.1", "methods": [], "maxFrameBytes": 1 << 20}
    subscriptions = []
    while header := sys.stdin.buffer.readline():
        while sys.stdin.buffer.readline().strip():
            pass
        message = json.loads(sys.stdin.buffer.read(int(header.partition(b":")[2])))
        method, id = message["method"], message.get("id")
        if method == "initialize":
            server = {"name": "stand-in", "version": "0"}
            send(id=id, result={"serverInfo": server, "capabilities": ABILITIES})
        elif method == "exit":
            break
    \#(answer.split(separator: "\n").map { "    \($0)\n" }.joined())
        elif id is not None:
            send(id=id, result={})

    """#
  }

  /// What names it to the REPL.
  private func option(_ store: TestStore, _ answer: String) throws -> String {
    let path = store.directory.appending("service.py")
    try path.write(Self.program(answer).utf8)
    return "--server '/usr/bin/python3 \(path)'"
  }

  @Test("the history is shown whole beside events in the margin, which may be ahead of it")
  func history() async throws {
    try await withTestStore(try #require(Account.available.last)) { store in
      let server = try option(
        store,
        """
        elif method == "system/info":
            send(id=id, result=INFO)
        elif method == "event/subscribe":
            subscriptions.append(f"e{len(subscriptions) + 1}")
            if len(subscriptions) == 2:
                event("e1", 5)
            send(id=id, result={"subscription": subscriptions[-1], "cursor": "0-0"})
            if len(subscriptions) == 2:
                for number in range(1, 6):
                    event("e2", number)
        """)
      let shown = try await store.run(["sh", "-c", "exec coracle-repl --events \(server) -c events"])
      let subjects = shown.text.split(separator: "\n").compactMap { $0.split(separator: " ").last }
      #expect(subjects == ["s1", "s2", "s3", "s4", "s5"] && shown.succeeded, "\(shown)")
    }
  }

  @Test("Ctrl-C ends the wait for names to complete, and for a service that does not end")
  func interrupts() async throws {
    try await withTestStore(try #require(Account.available.last)) { store in
      let server = try option(
        store,
        """
        elif method == "container/list":
            open("asked", "w").close()
        elif method == "shutdown":
            open("over", "w").close()
        """)
      try await TmuxScreen.with(store) { screen in
        try await screen.wait(for: "host>")
        // They show on the screen what the service was asked for.
        let watchers = "for f in asked over; do (until [ -e $f ]; do sleep 0.1; done; echo $f) & done"
        try await screen.enter("\(watchers); clear; coracle-repl \(server)")
        try await screen.wait(for: "coracle>")
        try await screen.type("rm ")
        try await screen.press("Tab")
        try await screen.wait(toShow: "asked")
        try await screen.press("C-c")
        // Where the wait had ended by itself, it was the line that was given up.
        try await screen.press("C-u")
        try await screen.type("exit")
        try await screen.press("C-l")
        try await screen.wait(for: "coracle> exit")
        try await screen.press("Enter")
        try await screen.wait(toShow: "over")
        try await screen.press("C-c")
        try await screen.wait(toShow: "host>")
      }
    }
  }
}
