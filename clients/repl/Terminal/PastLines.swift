import Foundation
import Glibc

/// What was typed in this session and in earlier ones: a file with a line for each.
///
/// Each line is appended when it is entered, so that sessions at the same time and those that are killed lose nothing:
/// whoever changes the file has its lock (flock(2)).
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
    guard let file = locked(creating: false) else { return [] }
    defer { close(file) }
    let handle = FileHandle(fileDescriptor: file, closeOnDealloc: false)
    guard let bytes = try? handle.readToEnd() else { return [] }
    let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    let newest = Array(lines.suffix(Self.kept))
    if lines.count > 2 * Self.kept { replace(with: newest) }
    return newest
  }

  /// Under the lock of the file that goes.
  private func replace(with lines: [String]) {
    let fresh = "\(path).\(UInt64.random(in: .min ... .max))"
    let file = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard file >= 0 else { return }
    let handle = FileHandle(fileDescriptor: file, closeOnDealloc: true)
    do {
      try handle.write(contentsOf: Data(lines.map { $0 + "\n" }.joined().utf8))
      if rename(fresh, path) == 0 { return }
    } catch {}
    unlink(fresh)
  }

  /// The file that has the name, and its lock for as long as it is open.
  private func locked(creating: Bool) -> CInt? {
    // Another one may have replaced it each time; more often than this nobody does.
    for _ in 0..<100 {
      // Environments and arguments are nobody else's business.
      let file = open(path, (creating ? O_WRONLY | O_APPEND | O_CREAT : O_RDONLY) | O_CLOEXEC, 0o600)
      guard file >= 0 else { return nil }
      while flock(file, LOCK_EX) != 0, errno == EINTR {}
      var (own, named) = (Glibc.stat(), Glibc.stat())
      if fstat(file, &own) == 0, stat(path, &named) == 0, own.st_ino == named.st_ino { return file }
      // It was replaced while this waited.
      close(file)
    }
    return nil
  }

  /// - Returns: false where it cannot be written.
  func append(_ line: String) -> Bool {
    let directory = URL(filePath: path).deletingLastPathComponent()
    try? FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    guard let file = locked(creating: true) else { return false }
    defer { close(file) }
    let bytes = Array((line + "\n").utf8)
    return write(file, bytes, bytes.count) == bytes.count
  }
}
