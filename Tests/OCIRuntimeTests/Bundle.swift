import Foundation
import LinuxSystem
import SystemPackage
import TestSupport
import Testing

/// A bundle with busybox, and `coracle-runtime` on a root directory of its own.
struct Bundle: Sendable {
  let directory: FilePath
  private let programs: FilePath

  static func with(
    _ change: (inout [String: Any]) -> Void = { _ in }, _ body: (Bundle) async throws -> Void
  ) async throws {
    try await Programs.prepare()
    try await withTemporaryDirectory { directory in
      let bundle = Bundle(directory: directory, programs: try Programs.directory.get())
      try bundle.make(change)
      do { try await body(bundle) } catch {
        await bundle.removeContainers()
        throw error
      }
      await bundle.removeContainers()
    }
  }

  /// Runs a command of the runtime.
  func callAsFunction(_ arguments: String..., input: ChildProcess.Input = .empty) async throws
    -> ChildProcess.Result
  {
    try await run(arguments, input: input)
  }

  func run(_ arguments: [String], input: ChildProcess.Input = .empty) async throws -> ChildProcess.Result {
    let isDetached = arguments.contains { ["create", "-d", "--detach"].contains($0) }
    guard isDetached else {
      return try await ChildProcess.run(command + arguments, workingDirectory: directory, input: input)
    }
    // The container keeps the streams: a pipe of the test's would not come to its end before the container does.
    let errors = directory.appending("errors-\(UInt64.random(in: .min ... .max))")
    var result = try await ChildProcess.run(
      ["/bin/sh", "-c", "exec \"$@\" < /dev/null > /dev/null 2> \(errors)", "sh"] + command + arguments,
      workingDirectory: directory)
    result.stderr = try errors.readAll()
    return result
  }

  /// The runtime with its root, without a command.
  var command: [String] {
    [programs.appending("coracle-runtime").string, "--root", directory.appending("state").string]
  }

  /// The same, for a shell.
  var program: String { command.joined(separator: " ") }

  /// The state's members; nil where there is no such container.
  func state(_ id: String) async throws -> [String: Any]? {
    let result = try await self("state", id)
    guard result.succeeded else { return nil }
    return try JSONSerialization.jsonObject(with: Data(result.stdout)) as? [String: Any]
  }

  func status(_ id: String) async throws -> String? { try await state(id)?["status"] as? String }

  func waitUntilStopped(_ id: String, _ place: SourceLocation = #_sourceLocation) async throws {
    try await eventually(describing: "\(id) has stopped", place) {
      try await status(id)
    } until: {
      $0 == "stopped"
    }
  }

  func change(_ change: (inout [String: Any]) -> Void) throws {
    let path = URL(filePath: directory.appending("config.json").string)
    var config = try JSONSerialization.jsonObject(with: Data(contentsOf: path)) as? [String: Any] ?? [:]
    change(&config)
    try JSONSerialization.data(withJSONObject: config).write(to: path)
  }

  func changeLinux(_ change: (inout [String: Any]) -> Void) throws {
    try self.change {
      var linux = $0["linux"] as? [String: Any] ?? [:]
      change(&linux)
      $0["linux"] = linux
    }
  }

  func addCapabilities(_ names: [String]) throws {
    try change {
      var process = $0["process"] as? [String: Any] ?? [:]
      let sets = process["capabilities"] as? [String: [String]] ?? [:]
      process["capabilities"] = sets.mapValues { $0 + names }
      $0["process"] = process
    }
  }

  func setCommand(_ arguments: [String]) throws {
    try change {
      var process = $0["process"] as? [String: Any] ?? [:]
      process["args"] = arguments
      $0["process"] = process
    }
  }

  private func make(_ change: (inout [String: Any]) -> Void) throws {
    let files = FileManager.default
    let rootfs = directory.appending("rootfs")
    for name in ["bin", "proc", "sys", "dev", "etc", "tmp"] {
      try files.createDirectory(atPath: rootfs.appending(name).string, withIntermediateDirectories: true)
    }
    try files.copyItem(atPath: "/bin/busybox", toPath: rootfs.appending("bin/busybox").string)
    for applet in [
      "sh", "echo", "cat", "sleep", "true", "id", "ls", "readlink", "touch", "kill", "stat", "tty", "grep",
      "mknod", "dd", "tail", "mount", "mkdir",
    ] {
      try files.createSymbolicLink(
        atPath: rootfs.appending("bin").appending(applet).string, withDestinationPath: "busybox")
    }
    try Data("text\n".utf8).write(to: URL(filePath: rootfs.appending("etc/text").string))
    let mounts: [[String: Any]] = [
      ["destination": "/proc", "type": "proc", "source": "proc"],
      ["destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]],
      [
        "destination": "/dev/pts", "type": "devpts", "source": "devpts",
        "options": ["newinstance", "ptmxmode=0666"],
      ],
    ]
    let capabilities = ["CAP_KILL", "CAP_SETUID", "CAP_SETGID"]
    let config: [String: Any] = [
      "ociVersion": "1.0.2",
      "process": [
        "user": ["uid": 0, "gid": 0], "args": ["sh", "-c", "exit 7"], "cwd": "/", "env": ["PATH=/bin"],
        "capabilities": ["bounding": capabilities, "effective": capabilities, "permitted": capabilities],
      ] as [String: Any],
      "root": ["path": "rootfs"], "hostname": "bundle", "mounts": mounts,
      "linux": ["namespaces": ["mount", "pid", "uts", "ipc", "network"].map { ["type": $0] }],
    ]
    let path = URL(filePath: directory.appending("config.json").string)
    try JSONSerialization.data(withJSONObject: config).write(to: path)
    try self.change(change)
  }

  /// As an image is imported from.
  func archiveRoot(to path: FilePath) async throws {
    let made = try await ChildProcess.run(
      ["tar", "-C", directory.appending("rootfs").string, "-cf", path.string, "."])
    guard made.succeeded else { throw TestFailure("cannot archive the root: \(made.errorText)") }
  }

  private func removeContainers() async {
    guard let list = try? await self("list", "-q") else { return }
    for id in list.text.split(separator: "\n") { _ = try? await self("delete", "--force", String(id)) }
  }
}
