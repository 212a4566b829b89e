import Foundation
import Glibc
import RPCModel
import Synchronization

/// Standard output and error, and what they can show. All writing goes through here, a piece at a time.
final class Terminal: Sendable {
  let isJSON: Bool
  let isInputTerminal: Bool
  let isOutputTerminal: Bool
  let isErrorTerminal: Bool
  private let isDumb: Bool
  /// What is printed, and what is noted: either may go to a terminal while the other goes to a file.
  let output: Styles
  let notes: Styles
  /// What stands on the screen below the output and is drawn anew after it: the progress bars.
  private let lineEnd = Mutex("\n")
  private let live = Mutex<[String]>([])

  init(isJSON: Bool) {
    self.isJSON = isJSON
    isInputTerminal = isatty(STDIN_FILENO) == 1
    isOutputTerminal = isatty(STDOUT_FILENO) == 1
    isDumb = ProcessInfo.processInfo.environment["TERM"] ?? "dumb" == "dumb"
    isErrorTerminal = isatty(STDERR_FILENO) == 1 && !isDumb
    // See no-color.org.
    let wantsNone = !(ProcessInfo.processInfo.environment["NO_COLOR"] ?? "").isEmpty
    output = Styles(areShown: isOutputTerminal && !wantsNone && !isDumb)
    notes = Styles(areShown: isErrorTerminal && !wantsNone)
  }

  /// In characters; 80 where nobody says.
  var size: (columns: Int, rows: Int) { Self.size(of: STDERR_FILENO) ?? (80, 24) }

  /// How wide what is printed may be; nil where nobody looks at it.
  var printedColumns: Int? { isOutputTerminal ? Self.size(of: STDOUT_FILENO)?.columns : nil }

  private static func size(of descriptor: CInt) -> (columns: Int, rows: Int)? {
    var size = winsize()
    guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
      return nil
    }
    return (Int(size.ws_col), Int(size.ws_row))
  }

  /// Empties the screen.
  func clear() {
    if isOutputTerminal, !isDumb { write(Array("\u{1B}[H\u{1B}[2J\u{1B}[3J".utf8), to: STDOUT_FILENO) }
  }

  /// The terminal does not turn line feeds into new lines then.
  func setRaw(_ isRaw: Bool) { lineEnd.withLock { $0 = isRaw ? "\r\n" : "\n" } }

  /// A line on standard output.
  func print(_ line: String) {
    write(Array((line.printable + lineEnd.withLock { $0 }).utf8), to: STDOUT_FILENO)
  }

  /// A line on standard error: what is no result.
  func note(_ line: String) {
    write(Array((line.printable + lineEnd.withLock { $0 }).utf8), to: STDERR_FILENO)
  }

  /// For a program it is one line of JSON.
  func print(error: any Error) {
    if isJSON {
      write(ErrorText.json(error) + [UInt8(ascii: "\n")], to: STDERR_FILENO)
      return
    }
    // The terminal has shown the key by itself.
    if isInputTerminal, (error as? RPCError)?.data?.kind == .cancelled { note("") }
    note(notes.red("error: ") + ErrorText(error).lines.joined(separator: "\n"))
  }

  func printJSON(_ value: some JSONWritable) {
    write(JSONWriter.bytes(of: value) + [UInt8(ascii: "\n")], to: STDOUT_FILENO)
  }

  /// - Returns: errno where not all was written: nobody reads it any more, or the disk is full.
  @discardableResult
  func write(_ bytes: [UInt8], to descriptor: CInt) -> CInt? {
    live.withLock { lines in
      erase(lines)
      defer { draw(lines) }
      return Self.writeAll(bytes, to: descriptor)
    }
  }

  /// Puts other live lines in the place of the present ones; none takes them away.
  func setLive(_ lines: [String]) {
    guard isErrorTerminal else { return }
    live.withLock { current in
      erase(current)
      current = lines.map(\.printable)
      draw(current)
    }
  }

  private func erase(_ lines: [String]) {
    if !lines.isEmpty { Self.writeAll(Array("\u{1B}[\(lines.count)A\r\u{1B}[J".utf8), to: STDERR_FILENO) }
  }

  private func draw(_ lines: [String]) {
    if !lines.isEmpty { Self.writeAll(Array((lines.joined(separator: "\n") + "\n").utf8), to: STDERR_FILENO) }
  }

  @discardableResult
  private static func writeAll(_ bytes: [UInt8], to descriptor: CInt) -> CInt? {
    bytes.withUnsafeBytes { buffer in
      var rest = buffer[...]
      while !rest.isEmpty {
        let count = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { return errno }
        rest = rest.dropFirst(count)
      }
      return nil
    }
  }
}

/// Letters and colours for where they are shown.
struct Styles: Sendable {
  let areShown: Bool

  func bold(_ text: String) -> String { styled(text, "1") }
  func dim(_ text: String) -> String { styled(text, "2") }
  func red(_ text: String) -> String { styled(text, "31") }
  func green(_ text: String) -> String { styled(text, "32") }

  private func styled(_ text: String, _ code: String) -> String {
    areShown ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text
  }
}
