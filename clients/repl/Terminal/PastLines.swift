import Foundation
import Glibc

/// What was typed in this session and in earlier ones: a file with a line for each.
///
/// Each line is appended when it is entered, so that sessions at the same time and those that are killed lose nothing.
struct PastLines {
  private static let kept = 1000
  private let path: String

  /// - Returns: nil where there is to be none.
  init?(environment: [String: String] = ProcessInfo.processInfo.environment) {
    // Where XDG's directories put what a program remembers.
    if let named = environment["CORACLE_HISTORY"] {
      if named.isEmpty { return nil }
      path = named
    } else if let state = environment["XDG_STATE_HOME"], !state.isEmpty {
      path = "\(state)/coracle/history"
    } else if let home = environment["HOME"] {
      path = "\(home)/.local/state/coracle/history"
    } else {
      return nil
    }
  }

  /// The newest lines, the oldest first. A file with many more than are kept is written anew.
  func load() -> [String] {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return [] }
    let lines = text.split(separator: "\n").map(String.init)
    let newest = Array(lines.suffix(Self.kept))
    if lines.count > 2 * Self.kept {
      let rest = newest.map { $0 + "\n" }.joined()
      try? rest.write(toFile: path, atomically: true, encoding: .utf8)
      chmod(path, 0o600)
    }
    return newest
  }

  /// - Returns: false where it cannot be written.
  func append(_ line: String) -> Bool {
    let directory = URL(filePath: path).deletingLastPathComponent()
    try? FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    // Environments and arguments are nobody else's business.
    let file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o600)
    guard file >= 0 else { return false }
    defer { close(file) }
    let bytes = Array((line + "\n").utf8)
    return write(file, bytes, bytes.count) == bytes.count
  }
}
