import Foundation
import Glibc
import TestSupport
import Testing

@Suite("The REPL at a terminal, in tmux")
struct REPLTerminalTests {
  private func withPrompt(
    _ account: Account, _ body: @Sendable (TestStore, TmuxScreen) async throws -> Void
  ) async throws {
    try await withTestStore(account) { store in
      let links = "for name in stty vi; do ln -s busybox bin/$name; done"
      let archive = try await store.busyboxArchive(links)
      let made = try await store.runProgram("coracle-repl", ["-c", "import \(archive) b:1"])
      #expect(made.succeeded, "\(made.errorText)")
      try await TmuxScreen.with(store) { screen in
        try await screen.wait(for: "host>")
        try await body(store, screen)
      }
      let ended = try await store.runProgram("coracle-repl", ["-c", "ps"])
      #expect(ended.text.split(separator: "\n").count == 1, "\(ended.text)")
    }
  }

  @Test(
    "a shell in a container: its size follows the window, Ctrl-C and an editor work, and the terminal comes back",
    arguments: Account.available)
  func shell(account: Account) async throws {
    try await withPrompt(account) { _, screen in
      try await screen.enter("stty -a > before; coracle-repl")
      try await screen.wait(for: "coracle>")
      try await screen.enter("run -it --rm --hostname box b:1 sh")
      try await screen.wait(for: "/ #")
      try await screen.enter("clear; stty size")
      try await screen.wait(for: "24 90\n/ #")
      try await screen.resize(columns: 70, rows: 15)
      // The new size and the keys take different ways.
      try await screen.enter("until [ \"$(stty size)\" = '15 70' ]; do sleep 0.1; done; clear; stty size")
      try await screen.wait(for: "15 70\n/ #")
      try await screen.enter("clear; echo go; sleep 1000")
      try await screen.wait(for: "go")
      try await screen.press("C-c")
      try await screen.wait(for: "/ #")
      // Ctrl-Z stops the program in the container, and neither the container nor the client.
      // It is the one that says so: the shell does not heed that key.
      try await screen.enter("clear; sh -c 'echo go; exec sleep 1000'")
      try await screen.wait(for: "go")
      try await screen.press("C-z")
      try await screen.wait(toShow: "Stopped")
      try await screen.wait(for: "/ #")
      try await screen.enter("clear; fg")
      try await screen.wait(toShow: "sleep 1000")
      try await screen.press("C-c")
      try await screen.wait(for: "/ #")
      try await screen.enter("vi /note")
      try await screen.wait(for: "1/1 100%")
      try await screen.type("ifrom vi")
      try await screen.press("Escape")
      // Else the next key would be one with Alt.
      try await screen.wait(for: "- /note [Modified] 1/1 100%")
      try await screen.enter(":wq")
      try await screen.wait(for: "/ #")
      try await screen.enter("clear; cat /note; exit 3")
      try await screen.wait(for: "exited with 3\ncoracle>")
      // A program's end by Ctrl-D, and the REPL's.
      try await screen.enter("run -it --rm b:1 cat")
      try await screen.enter("typed")
      try await screen.wait(for: "typed\ntyped")
      try await screen.press("C-d")
      try await screen.wait(for: "coracle>")
      try await screen.press("C-d")
      try await screen.wait(for: "host>")
      try await screen.resize(columns: 90, rows: 24)
      try await screen.enter("clear; stty -a > after; cmp before after && echo same")
      try await screen.wait(for: "same\nhost>")
    }
  }

  @Test(
    "leaving a container with ctrl-p ctrl-q, and coming back to it; exec beside it",
    arguments: Account.available)
  func detaching(account: Account) async throws {
    try await withPrompt(account) { store, screen in
      try await screen.enter("coracle-repl -c 'run -it --name kept b:1 sh'")
      try await screen.wait(for: "/ #")
      try await screen.press("C-p", "C-q")
      try await screen.wait(for: "comes back to it\nhost>")
      try await screen.enter("clear; coracle-repl")
      try await screen.wait(for: "coracle>")
      try await screen.enter("attach --detach-keys ctrl-x kept")
      try await screen.enter("echo $((40 + 2))")
      try await screen.wait(for: "42\n/ #")
      try await screen.press("C-x")
      try await screen.wait(for: "coracle>")
      try await screen.enter("exec -it -e A=b kept sh -c 'echo in $A; stty size; read x; echo $x; exit 5'")
      try await screen.wait(for: "in b\n24 90")
      try await screen.enter("it")
      try await screen.wait(for: "exited with 5\ncoracle>")
      // A program that is left goes on, and a command line's status is that of the program.
      try await screen.enter(
        "exec -it kept sh -c 'echo $((40 + 3)); read x; echo $x > /said; echo $((50 + 1)); exec sleep 1001'")
      // Before this the client's terminal is not yet the program's.
      try await screen.wait(for: "43")
      try await screen.enter("something")
      try await screen.wait(for: "something\n51")
      try await screen.press("C-p", "C-q")
      try await screen.wait(for: "left the program running in kept\ncoracle>")
      try await screen.enter("exit")
      try await screen.wait(for: "host>")
      try await screen.enter(
        "clear; coracle-repl -c \"exec -it kept sh -c 'cat /said; ps -o args; exit 6'\"; echo $?")
      try await screen.wait(for: "6\nhost>")
      let shown = try await screen.text
      #expect(shown.contains("something\n") && shown.contains("sleep 1001"), "\(shown)")
      try await screen.enter("clear; coracle-repl")
      try await screen.wait(for: "coracle>")
      // What comes with the keys, as from a slow line, reaches the program all the same.
      try await screen.enter("run -it --name pasted b:1 cat")
      try await screen.enter("first")
      try await screen.wait(for: "first\nfirst")
      try await screen.type("last\u{10}\u{11}")
      try await screen.wait(toShow: "comes back to it\ncoracle>")
      try await screen.enter("clear")
      try await screen.wait(for: "coracle>", whole: true)
      try await screen.enter("logs -f pasted")
      try await screen.wait(for: "first\nfirst\nlast")
      try await screen.press("C-c")
      try await screen.wait(for: "coracle>")
      try await screen.enter("rm -f kept pasted")
      try await screen.enter("exit")
      try await screen.wait(for: "host>")
    }
  }

  @Test("colours go to standard output and error each for itself, as those go to terminals")
  func colours() async throws {
    try await withPrompt(try #require(Account.available.last)) { _, screen in
      try await screen.enter("coracle-repl -c 'rm nosuch' 2> errors; clear; tr -cd '\\033' < errors | wc -c")
      try await screen.wait(for: "0\nhost>")
      try await screen.enter("clear; coracle-repl -c 'rm nosuch' > output")
      try await screen.wait(toShow: "hint: ")
      #expect(try await screen.styledText.contains("\u{1B}[31m"))
    }
  }

  @Test("the terminal comes back when the client is killed by a signal", arguments: Account.available)
  func signalled(account: Account) async throws {
    try await withPrompt(account) { store, screen in
      try await screen.enter(
        "stty -a > before; (coracle-repl -c 'run -it --name left-\(account) b:1 sh') ; echo ended")
      try await screen.wait(for: "/ #")
      let repl = try await ChildProcess.run(["pgrep", "-f", "run -it --name left-\(account)"])
      for pid in repl.text.split(separator: "\n").compactMap({ Int32($0) }) {
        let name = try? String(contentsOfFile: "/proc/\(pid)/comm", encoding: .utf8)
        if name == "coracle-repl\n" { kill(pid, SIGTERM) }
      }
      try await screen.wait(for: "ended\nhost>")
      try await screen.enter("clear; stty -a > after; cmp before after && echo same")
      try await screen.wait(for: "same\nhost>")
      let removed = try await store.runProgram("coracle-repl", ["-c", "rm -f left-\(account)"])
      #expect(removed.succeeded)
    }
  }
}
