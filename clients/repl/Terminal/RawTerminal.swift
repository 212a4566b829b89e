import Foundation
import Glibc

/// A person's terminal while a container has it: each key goes there as it is, Ctrl-C too.
///
/// What the terminal was before comes back with `end`, and with every other way out of the program but SIGKILL.
final class RawTerminal: Sendable {
  private let terminal: Terminal

  /// Nil where standard input is no terminal.
  init?(_ terminal: Terminal) {
    guard terminal.isInputTerminal, Self.enter() else { return nil }
    self.terminal = terminal
    terminal.setRaw(true)
  }

  deinit { end() }

  func end() {
    Self.leave()
    terminal.setRaw(false)
  }

  private static func enter() -> Bool {
    guard tcgetattr(STDIN_FILENO, &settingsBefore) == 0 else { return false }
    var raw = settingsBefore
    cfmakeraw(&raw)
    isRaw = true
    atexit { RawTerminal.leave() }
    for number in [SIGTERM, SIGHUP, SIGQUIT, SIGABRT, SIGSEGV, SIGILL, SIGTRAP, SIGBUS, SIGFPE] {
      signal(number) { number in
        RawTerminal.leave()
        signal(number, SIG_DFL)
        raise(number)
      }
    }
    return tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0
  }

  /// Also from a signal handler: tcsetattr(3) may be called there.
  private static func leave() {
    guard isRaw else { return }
    isRaw = false
    _ = tcsetattr(STDIN_FILENO, TCSADRAIN, &settingsBefore)
  }
}

/// Written before the handlers that read them are installed, and by one thread at a time.
nonisolated(unsafe) private var settingsBefore = termios()
nonisolated(unsafe) private var isRaw = false
