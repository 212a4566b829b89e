import Foundation
import SystemPackage
import TestSupport

/// What a client's own tests need: a copy of the client that the account can read, and the programs under test in PATH.
struct ClientProject {
  static let root = FilePath(#filePath).removingLastComponent().removingLastComponent()
    .removingLastComponent()

  let store: TestStore
  /// The project's directory, with the parts that were asked for.
  let directory: FilePath

  /// - Parameter parts: files and directories of the project.
  init(_ parts: [String], for store: TestStore) async throws {
    self.store = store
    directory = store.directory.appending("project")
    let script = """
      set -e
      mkdir "$1"; cd "$2"; to=$1; shift 2
      cp -r --parents "$@" "$to"
      chmod -R a+rwX "$to"
      """
    let copied = try await ChildProcess.run(
      ["sh", "-c", script, "sh", directory.string, Self.root.string] + parts)
    guard copied.succeeded else { throw TestFailure("cannot copy the client: \(copied.errorText)") }
  }

  /// Runs a command in a directory of the project, as the account and with the test's store.
  func run(_ command: [String], in place: String = ".", environment: [String: String] = [:]) async throws
    -> ChildProcess.Result
  {
    var variables = [
      "PATH": "\(try Programs.directory.get()):/usr/sbin:/usr/bin:/sbin:/bin",
      "HOME": store.directory.string, "TMPDIR": store.directory.string, "LANG": "C.UTF-8",
      "CORACLE_STORE": store.store.string, "CORACLE_RUN": store.run.string, "NO_COLOR": "1",
    ]
    variables["CORACLE_RECORD"] = ProcessInfo.processInfo.environment["CORACLE_RECORD"]
    variables.merge(environment) { $1 }
    return try await ChildProcess.run(
      store.account.launcher + ["/usr/bin/env", "-i"] + variables.map { "\($0)=\($1)" } + command,
      workingDirectory: directory.appending(place))
  }
}

extension TestStore {
  /// Imports busybox as `hello:1`, which the clients' examples run.
  func importHello() async throws {
    let applets = "for name in seq tty test stat printf; do ln -s busybox bin/$name; done"
    let archive = try await busyboxArchive(applets)
    try await repl("import \(archive) hello:1")
  }

  /// Puts `hello:1` into a registry, and answers the name that it is pulled by.
  func push(to registry: DockerRegistry) async throws -> String {
    let name = "\(registry.host)/demo/hello:1"
    for command in ["tag hello:1 \(name)", "push \(name)", "rmi \(name)"] { try await repl(command) }
    return name
  }

  private func repl(_ command: String) async throws {
    let result = try await runProgram("coracle-repl", ["-c", command])
    guard result.succeeded else { throw TestFailure("\(command): \(result.errorText)") }
  }
}

extension ChildProcess.Result {
  /// All that it has written, where a test has to show it.
  var all: String { text + errorText }
}
