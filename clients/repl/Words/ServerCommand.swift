import ArgumentParser
import Foundation
import RPCModel

/// What a person calls the command that starts the engine, as `ssh host coracle serve`.
struct ServerCommand: Sendable {
  /// Up to `coracle`; the first is a path.
  var words: [String]
  /// Those behind `serve`, as `--store /srv/coracle`.
  var arguments: [String] = []

  init(_ text: String) throws {
    var words = try WordSplitter.commands(text).flatMap(\.self)
    // The last one: a host may have the name.
    if let serve = words.lastIndex(of: "serve"), serve > 0 {
      arguments = Array(words[(serve + 1)...])
      words.removeSubrange(serve...)
    }
    if arguments.contains(where: { $0 == "--framing" || $0.hasPrefix("--framing=") }) {
      throw RPCError(
        .invalidArgument, "the framing is this client's to say", subject: "--framing",
        hint: "leave --framing out of --server")
    }
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
        .notFound, "there is no program \(name) in PATH", subject: name,
        hint: "install it, or give its path in --server")
    }
    return path
  }
}
