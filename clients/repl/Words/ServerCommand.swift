import ArgumentParser
import Foundation
import RPCModel

/// What a person calls the command that starts the engine, as `ssh host coracle serve`.
struct ServerCommand: Sendable {
  /// Up to `coracle`; the first is a path.
  var words: [String]

  init(_ text: String) throws {
    var words = try WordSplitter.commands(text).flatMap(\.self)
    // What comes behind it is this client's to say.
    if words.count > 1, words.last == "serve" { words.removeLast() }
    guard let name = words.first else { throw ValidationError("--server names a command") }
    words[0] = try Self.path(name)
    self.words = words
  }

  private static func path(_ name: String) throws -> String {
    if name.contains("/") { return name }
    let directories = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin").split(separator: ":")
    let paths = directories.map { "\($0)/\(name)" }
    guard let path = paths.first(where: FileManager.default.isExecutableFile) else {
      throw RPCError(
        code: 0, message: "there is no program \(name) in PATH",
        data: ErrorData(
          kind: .notFound, retriable: false, subject: name, causes: [],
          hint: "install it, or give its path in --server"))
    }
    return path
  }
}
