import CEdit
import Foundation
import Glibc
import Synchronization

/// Reads lines with libedit: keys, history and completion. Used from one thread.
final class LineEditor {
  enum Line {
    case text(String)
    /// Ctrl-C.
    case givenUp
    case end
  }

  /// What other threads have for the prompt.
  final class Mailbox: Sendable {
    fileprivate struct Content {
      var lines: [String] = []
      var isInterrupted = false
    }
    fileprivate let content = Mutex(Content())
    fileprivate let wakeEnd: CInt

    fileprivate init(wakeEnd: CInt) { self.wakeEnd = wakeEnd }

    /// Prints a line above the one being edited.
    func print(_ line: String) {
      content.withLock { $0.lines.append(line) }
      wake()
    }

    /// Gives up the line being edited.
    func interrupt() {
      content.withLock { $0.isInterrupted = true }
      wake()
    }

    private func wake() {
      var byte: UInt8 = 0
      _ = write(wakeEnd, &byte, 1)
    }
  }

  let mailbox: Mailbox
  private var editor: OpaquePointer?
  private let prompt: UnsafeMutablePointer<CChar>?
  private let candidates: (String) -> (word: String, candidates: [String])
  private let terminal: Terminal

  /// - Parameter candidates: the last word of a line's beginning, and what it can be completed to.
  init(
    _ terminal: Terminal, prompt: String,
    candidates: @escaping (String) -> (word: String, candidates: [String])
  ) {
    self.candidates = candidates
    self.terminal = terminal
    self.prompt = strdup(prompt)
    let wake = makePipe() ?? (-1, -1)
    // The editor takes what has come and waits for no more.
    for end in [wake.read, wake.write] { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
    mailbox = Mailbox(wakeEnd: wake.write)
    guard let prompt = self.prompt else { return }
    let callbacks = cedit_callbacks(context: Unmanaged.passUnretained(self).toOpaque()) { context, editor in
      guard let context else { return 0 }
      return Unmanaged<LineEditor>.fromOpaque(context).takeUnretainedValue().complete(editor) ? 1 : 0
    } gives_up: { context in
      guard let context else { return 0 }
      return Unmanaged<LineEditor>.fromOpaque(context).takeUnretainedValue().isInterrupted() ? 1 : 0
    } woken: { context in
      guard let context else { return }
      Unmanaged<LineEditor>.fromOpaque(context).takeUnretainedValue().printMail()
    }
    editor = cedit_open("coracle", prompt, wake.read, callbacks)
    if let editor { cedit_history_begin(editor, 1000) }
  }

  deinit {
    if let editor { cedit_close(editor) }
    free(prompt)
  }

  func read() -> Line {
    guard let editor else { return .end }
    var count: CInt = 0
    guard let bytes = cedit_read(editor, &count), count >= 0 else { return .end }
    if count == 0 { return .givenUp }
    return .text(String(decoding: UnsafeRawBufferPointer(start: bytes, count: Int(count)), as: UTF8.self))
  }

  func remember(_ line: String) { if let editor { cedit_history_add(editor, line) } }

  private func isInterrupted() -> Bool {
    mailbox.content.withLock { content in
      defer { content.isInterrupted = false }
      return content.isInterrupted
    }
  }

  private func printMail() {
    let lines = mailbox.content.withLock { content in
      defer { content.lines = [] }
      return content.lines
    }
    lines.forEach(terminal.print)
  }

  /// Inserts what all candidates have in common, and lists them where that is nothing.
  private func complete(_ editor: OpaquePointer) -> Bool {
    var count = 0
    let bytes = cedit_line(editor, &count)
    let line = String(decoding: UnsafeRawBufferPointer(start: bytes, count: count), as: UTF8.self)
    let (word, all) = candidates(line)
    let candidates = Set(all.filter { $0.hasPrefix(word) }).sorted()
    guard let first = candidates.first else { return false }
    let common = candidates.reduce(first) { $0.commonPrefix(with: $1) }
    let isWhole = candidates.count == 1
    let addition = common.dropFirst(word.count) + (isWhole && !"/:,=".contains(common.last ?? " ") ? " " : "")
    if !addition.isEmpty {
      cedit_insert(editor, String(addition))
    } else {
      mailbox.print(list(candidates))
    }
    return true
  }

  private static let listed = 200

  /// Names in columns; of paths what differs.
  private func list(_ candidates: [String]) -> String {
    var names = candidates.map { candidate in
      let path = candidate.hasSuffix("/") ? candidate.dropLast() : candidate[...]
      return path.lastIndex(of: "/").map { String(candidate[candidate.index(after: $0)...]) } ?? candidate
    }
    // Names of images have slashes too.
    if Set(names).count < names.count { names = candidates }
    let width = (names.map(\.count).max() ?? 0) + 2
    let columns = max(1, (terminal.size.columns + 1) / width)
    let shown = Array(names.prefix(Self.listed))
    let height = (shown.count + columns - 1) / columns
    var lines = (0..<height).map { row in
      stride(from: row, to: shown.count, by: height).map { shown[$0].padded(to: width) }.joined()
    }
    if names.count > shown.count { lines.append("and \(names.count - shown.count) more") }
    return lines.joined(separator: "\n")
  }
}
