import Glibc

/// Asks a person at the terminal.
enum TerminalQuestion {
  enum Answer {
    case text(String)
    /// Ctrl-C, Ctrl-D, or an empty line.
    case givenUp
    case noTerminal
  }

  /// One line from the terminal.
  ///
  /// The terminal itself, not standard input, which may be a script.
  /// - Parameter isSecret: what is typed is not shown.
  static func ask(_ question: String, isSecret: Bool) -> Answer {
    let terminal = open("/dev/tty", O_RDWR | O_CLOEXEC)
    guard terminal >= 0 else { return .noTerminal }
    defer { close(terminal) }
    var usual = termios()
    guard tcgetattr(terminal, &usual) == 0 else { return .noTerminal }
    var asking = usual
    asking.c_lflag &= ~tcflag_t(ISIG | (isSecret ? ECHO : 0))
    asking.c_lflag |= tcflag_t(ECHONL | ICANON)
    // No signal: Ctrl-C ends the line, so that this read ends with it, and the terminal is put back.
    let interrupt = usual.interruptCharacter
    asking.lineEndCharacter = interrupt
    guard tcsetattr(terminal, TCSAFLUSH, &asking) == 0 else { return .noTerminal }
    defer { tcsetattr(terminal, TCSAFLUSH, &usual) }
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
