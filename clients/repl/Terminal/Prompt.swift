import Foundation

/// A person at a terminal: one line after the other until its end.
struct Prompt: Sendable {
  let session: REPLSession

  /// - Returns: 0; a person has seen what failed.
  func run() async -> Int32 {
    // libedit blocks in read(2), so it has a thread of its own; commands run from there and are waited for.
    await withCheckedContinuation { continuation in
      Thread.detachNewThread {
        continuation.resume(returning: loop())
      }
    }
  }

  private func loop() -> Int32 {
    let session = session
    let terminal = session.terminal
    let editor = LineEditor(terminal, prompt: "coracle> ") { line in
      session.awaitShortly { await Completion(session).candidates(line) } ?? ("", [])
    }
    var history = PastLines()
    history?.load().forEach(editor.remember)
    terminal.print("Coracle \(session.version). `help` lists what there is, Ctrl-D leaves.")
    let mailbox = editor.mailbox
    while true {
      session.events.setPrompt { mailbox.print($0) }
      let interrupt = session.interrupts.begin { mailbox.interrupt() }
      let line = editor.read()
      session.interrupts.end(interrupt)
      session.events.setPrompt(nil)
      switch line {
      case .end:
        terminal.print("")
        return 0
      case .givenUp: continue
      case .text(let text):
        let trimmed = text.trimmingCharacters(in: .whitespacesAndNewlines)
        if trimmed.isEmpty { continue }
        editor.remember(trimmed)
        if history?.append(trimmed) == false {
          terminal.note(terminal.notes.dim("the history cannot be written, and ends with this session"))
          history = nil
        }
        if ["quit", "exit"].contains(trimmed) { return 0 }
        let status = awaitResult { await CommandLine(trimmed).run(session) }
        if status != 0, session.connection.isClosed {
          terminal.note("the service has ended; containers go on without it")
          return status
        }
      }
    }
  }
}
