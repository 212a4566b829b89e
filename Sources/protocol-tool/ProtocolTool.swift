import ArgumentParser
import Foundation

/// Writes what is generated from `protocol/*.json`, and checks that it is fresh.
@main
struct ProtocolTool: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "protocol-tool",
    abstract: "Generates from protocol/*.json what programs and people read.",
    subcommands: [Generate.self, Check.self, Release.self, Compare.self])
}

struct Generate: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Write all generated files.")

  @Option(help: "The project's directory.") var root = "."

  func run() throws {
    let root = URL(filePath: root)
    let files = try ProtocolFiles(directory: root.appending(path: "protocol"))
    for (path, text) in try GeneratedFiles.all(files, root: root) {
      let url = root.appending(path: path)
      try FileManager.default.createDirectory(
        at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(text.utf8).write(to: url)
    }
  }
}

struct Check: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Check the protocol's files, and that nothing generated or promised is stale.")

  @Option(help: "The project's directory.") var root = "."

  func run() throws {
    let root = URL(filePath: root)
    let files = try ProtocolFiles(directory: root.appending(path: "protocol"))
    var problems = SchemaCheck.problems(files) + ConsistencyCheck.problems(files)
    if problems.isEmpty {
      problems += try GeneratedFiles.all(files, root: root).compactMap { path, text in
        let present = try? Data(contentsOf: root.appending(path: path))
        return present == Data(text.utf8) ? nil : "\(path) is stale; run protocol-tool generate"
      }
      let released = "protocol/\(files.promisesPath)"
      if try Data(files.promises().utf8) != (try? Data(contentsOf: root.appending(path: released))) {
        problems.append("\(released) is stale; run protocol-tool release")
      }
    }
    guard problems.isEmpty else {
      for problem in problems { FileHandle.standardError.write(Data("\(problem)\n".utf8)) }
      throw ExitCode(1)
    }
    print("protocol: \(files.requests.count) requests, \(files.notifications.count) notifications, all fresh")
  }
}

struct Release: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write down what a release promises its clients, in protocol/released.")

  @Option(help: "The project's directory.") var root = "."

  func run() throws {
    let directory = URL(filePath: root).appending(path: "protocol")
    let files = try ProtocolFiles(directory: directory)
    let released = directory.appending(path: files.promisesPath)
    try FileManager.default.createDirectory(
      at: released.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(files.promises().utf8).write(to: released)
  }
}

struct Compare: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Tell what a newer protocol breaks for clients of an older one.",
    discussion: "Ends with status 1 where something is broken. `git archive` gives an older one.")

  @Argument(help: "The older protocol: a directory, or what a release has left.") var old: String
  @Argument(help: "The newer protocol's directory.") var new = "protocol"

  func run() throws {
    let place = URL(filePath: old)
    let before =
      try place.pathExtension == "json"
      ? ProtocolFiles(released: place) : ProtocolFiles(directory: place, isWhole: false)
    let breaks = Compatibility(before, try ProtocolFiles(directory: URL(filePath: new))).breaks()
    for sentence in breaks { print(sentence) }
    if !breaks.isEmpty { throw ExitCode(1) }
  }
}
