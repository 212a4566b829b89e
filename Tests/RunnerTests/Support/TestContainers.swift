import EngineErrors
import Foundation
import LinuxSystem
import Runner
import SystemPackage
import Testing

/// A scratch store and run directory with a busybox root, and a Runner on them; removed at the end.
final class TestContainers: Sendable {
  static let isPossible = getuid() == 0

  let directory: FilePath
  let runner: Runner
  var rootfs: FilePath { directory.appending("rootfs") }
  var runDirectory: FilePath { directory.appending("run") }

  init(nested name: String = "") throws {
    let temporary = ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp"
    var template = Array("\(temporary)/coracle-runner-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw Errno(rawValue: errno) }
    let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    directory = FilePath(path)
    runner = Runner(shim: Self.shim, runDirectory: directory.appending("run\(name)"))
    try Rootfs.make(at: rootfs)
  }

  /// A second service's view of the same run directory.
  func otherRunner() -> Runner { Runner(shim: Self.shim, runDirectory: runDirectory) }

  static var shim: FilePath {
    var tests = FilePath(Bundle.main.bundlePath)
    // The test bundle and the program are built into the same directory.
    while !tests.isEmpty, !FileManager.default.fileExists(atPath: tests.appending("coracle-shim").string) {
      tests.removeLastComponent()
    }
    return tests.appending("coracle-shim")
  }

  func log(_ id: String) -> FilePath { directory.appending("\(id).log") }

  func plan(_ id: String, _ arguments: [String], _ change: (inout TestPlan) -> Void = { _ in }) throws
    -> LaunchPlan
  {
    var plan = TestPlan(rootfs: rootfs, scratch: directory.appending(id), arguments: arguments)
    change(&plan)
    for part in ["upper", "work"] {
      try FileManager.default.createDirectory(
        atPath: directory.appending(id).appending(part).string, withIntermediateDirectories: true)
    }
    return plan.compiled()
  }

  @discardableResult
  func start(
    _ id: String, _ arguments: [String], openStdin: Bool = false, limit: LogLimit? = nil,
    _ change: (inout TestPlan) -> Void = { _ in }
  ) async throws -> StartedContainer {
    try await runner.start(
      id, try plan(id, arguments, change), log: log(id), limit: limit, openStdin: openStdin)
  }

  /// Starts a container, waits for its end, and answers its end and its standard output.
  func run(
    _ id: String, _ arguments: [String], _ change: (inout TestPlan) -> Void = { _ in }
  ) async throws -> (record: ExitRecord, output: String, errors: String) {
    try await start(id, arguments, change)
    let record = try await runner.waitForExit(id)
    let (output, errors) = try await output(id)
    return (record, String(decoding: output, as: UTF8.self), String(decoding: errors, as: UTF8.self))
  }

  func output(_ id: String, follow: Bool = false) async throws -> (stdout: [UInt8], stderr: [UInt8]) {
    var stdout: [UInt8] = []
    var stderr: [UInt8] = []
    for try await record in try await runner.log(id, at: log(id), from: .beginning, follow: follow) {
      switch record.content {
      case .stdout(let bytes): stdout += bytes
      case .stderr(let bytes): stderr += bytes
      case .lost: Issue.record("output was lost")
      }
    }
    return (stdout, stderr)
  }

  deinit { try? FileManager.default.removeItem(atPath: directory.string) }
}

extension Runner {
  /// Waits, by following the log, until the container has written this text.
  func waitForOutput(_ id: String, at log: FilePath, containing text: String) async throws {
    var seen = ""
    for try await record in try await self.log(id, at: log, from: .beginning, follow: true) {
      seen += String(decoding: record.content.bytes, as: UTF8.self)
      if seen.contains(text) { return }
    }
    Issue.record("container \(id) ended without writing \(text): \(seen)")
  }
}

extension Runner {
  @discardableResult
  func start(
    _ id: String, _ plan: LaunchPlan, log: FilePath, limit: LogLimit? = nil, openStdin: Bool
  ) async throws(EngineError) -> StartedContainer {
    try await start(prepare(id, plan, log: log, limit: limit, openStdin: openStdin))
  }
}
