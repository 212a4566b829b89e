import Glibc
import LinuxSystem
import SystemPackage
package import Testing

/// A person's terminal: a program in tmux, what is typed to it, and what it shows.
package struct TmuxScreen: Sendable {
  private let store: TestStore
  /// Grows with whatever the program writes.
  private let output: FilePath
  private let changes: FileChanges

  /// Runs `body` in front of a shell whose PATH has the programs of the package, and which the store's account has.
  package static func with(
    _ store: TestStore, columns: Int = 90, rows: Int = 24, _ body: (TmuxScreen) async throws -> Void
  ) async throws {
    let screen = try await TmuxScreen(store, columns, rows)
    do { try await body(screen) } catch {
      _ = try? await screen.tmux("kill-server")
      throw error
    }
    try await screen.tmux("kill-server")
  }

  private init(_ store: TestStore, _ columns: Int, _ rows: Int) async throws {
    self.store = store
    let path = store.directory.appending("screen")
    output = path
    try output.write([])
    // By the account, which is not who runs the tests.
    try call("chmod", on: path.string) { chmod(path.string, 0o666) }
    changes = try FileChanges(of: output)
    let programs = try Programs.directory.get().string
    let variables = [
      "PATH=\(programs):/usr/bin:/bin", "HOME=\(store.directory)", "CORACLE_STORE=\(store.store)",
      "CORACLE_RUN=\(store.run)", "CORACLE_HISTORY=", "LANG=C.UTF-8", "PS1=host> ", "TERM=screen",
      "SHELL=/bin/sh",
    ]
    // Whatever is written from the beginning on is seen.
    try await tmux(
      "new-session", "-d", "-c", store.directory.string, "-x", "\(columns)", "-y", "\(rows)",
      "env -i \(variables.map { "'\($0)'" }.joined(separator: " ")) sh -i", ";", "pipe-pane",
      "cat >> '\(output)'")
  }

  /// One call of tmux(1), on this store's server.
  @discardableResult
  private func tmux(_ arguments: String...) async throws -> String {
    let result = try await ChildProcess.run(
      store.account.launcher + [
        "tmux", "-u", "-f", "/dev/null", "-S", store.directory.appending("tmux").string,
      ]
        + arguments)
    guard result.succeeded else { throw TestFailure("tmux \(arguments): \(result.errorText)") }
    return result.text
  }

  package func type(_ text: String) async throws { try await tmux("send-keys", "-l", text) }
  /// By tmux's names, as `Enter` and `C-c`.
  package func press(_ keys: String...) async throws { for key in keys { try await tmux("send-keys", key) } }
  package func enter(_ line: String) async throws {
    try await type(line)
    try await press("Enter")
  }
  package func resize(columns: Int, rows: Int) async throws {
    try await tmux("resize-window", "-x", "\(columns)", "-y", "\(rows)")
  }

  package var text: String { get async throws { try await tmux("capture-pane", "-p") } }
  /// With the sequences that give it its colours and styles.
  package var styledText: String { get async throws { try await tmux("capture-pane", "-p", "-e") } }

  /// Waits until the screen shows something that ends with `lines`, but for blank lines.
  ///
  /// - Parameter whole: nothing else is on it.
  package func wait(for lines: String, whole: Bool = false, _ place: SourceLocation = #_sourceLocation)
    async throws
  {
    try await wait(for: lines, place) { whole ? $0 == lines : $0.hasSuffix(lines) }
  }

  /// Waits until the screen shows something, wherever.
  package func wait(toShow text: String, _ place: SourceLocation = #_sourceLocation) async throws {
    try await wait(for: text, place) { $0.contains(text) }
  }

  private func wait(
    for lines: String, _ place: SourceLocation, _ accepts: @Sendable @escaping (String) -> Bool
  ) async throws {
    do {
      try await withPatience(Patience.wait) {
        while true {
          changes.take()
          let shown = try await text.split(separator: "\n").map { String($0).trimmingSuffix() }
            .joined(separator: "\n").trimmingSuffix()
          if accepts(shown) { return }
          try await DescriptorWatcher.shared.readable(changes.descriptor)
        }
      }
    } catch is OutOfPatience {
      Issue.record("the screen does not show \(lines):\n\((try? await text) ?? "")", sourceLocation: place)
      throw TestFailure("the screen does not show \(lines)")
    }
  }
}

extension String {
  fileprivate func trimmingSuffix() -> String {
    var text = self[...]
    while let last = text.last, last.isWhitespace { text.removeLast() }
    return String(text)
  }
}
