import TestSupport
import Testing

/// Runs `body` at the REPL's prompt in tmux, with a store that has `hello:1`.
///
/// - Parameters:
///   - script: the REPL's commands that come before.
///   - variables: assignments of a shell's.
///   - options: the REPL's.
func withREPLPrompt(
  _ account: Account, columns: Int = 90, _ script: String = "", variables: String = "", options: String = "",
  _ body: @Sendable (TestStore, TmuxScreen) async throws -> Void
) async throws {
  try await withTestStore(account) { store in
    let archive = try await store.busyboxArchive("ln -s busybox bin/stty")
    let made = try await store.runProgram("coracle-repl", ["-c", "import \(archive) hello:1\n\(script)"])
    #expect(made.succeeded, "\(made.errorText)")
    try await TmuxScreen.with(store, columns: columns) { screen in
      try await screen.wait(for: "host>")
      try await screen.enter(
        "export CORACLE_HISTORY=$HOME/past \(variables); clear; coracle-repl \(options)")
      try await screen.wait(for: "coracle>")
      try await body(store, screen)
    }
  }
}
