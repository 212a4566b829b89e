import Glibc

/// Asks at the terminal for what must not be seen.
enum SecretPrompt {
  enum Answer {
    case text(String)
    /// Ctrl-C, Ctrl-D, or an empty line.
    case givenUp
    case noTerminal
  }

  /// One line from the terminal, without showing what is typed.
  ///
  /// The terminal itself, not standard input, which may be a script.
  static func read(_ question: String) -> Answer {
    let terminal = open("/dev/tty", O_RDWR | O_CLOEXEC)
    guard terminal >= 0 else { return .noTerminal }
    defer { close(terminal) }
    var shown = termios()
    guard tcgetattr(terminal, &shown) == 0 else { return .noTerminal }
    var hidden = shown
    hidden.c_lflag &= ~tcflag_t(ECHO | ISIG)
    hidden.c_lflag |= tcflag_t(ECHONL | ICANON)
    // No signal: Ctrl-C ends the line, so that this read ends with it, and the terminal is put back.
    let interrupt = shown.interruptCharacter
    hidden.lineEndCharacter = interrupt
    guard tcsetattr(terminal, TCSAFLUSH, &hidden) == 0 else { return .noTerminal }
    defer { tcsetattr(terminal, TCSAFLUSH, &shown) }
    _ = question.withCString { Glibc.write(terminal, $0, strlen($0)) }
    var line: [UInt8] = []
    var byte: UInt8 = 0
    while Glibc.read(terminal, &byte, 1) == 1 {
      if byte == UInt8(ascii: "\n") {
        return line.isEmpty ? .givenUp : .text(String(decoding: line, as: UTF8.self))
      }
      if byte == interrupt { break }
      line.append(byte)
    }
    _ = Glibc.write(terminal, "\n", 1)
    return .givenUp
  }
}

extension termios {
  // `c_cc` is a tuple here; VINTR is 0 and VEOL 11, see termios(3).
  fileprivate var interruptCharacter: cc_t { c_cc.0 }
  fileprivate var lineEndCharacter: cc_t {
    get { c_cc.11 }
    set { c_cc.11 = newValue }
  }
}
