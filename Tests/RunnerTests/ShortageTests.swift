import Foundation
import LinuxSystem
import Runner
import SystemPackage
import TestSupport
import Testing

/// What a shim does while the machine has nothing left for it: its limit of descriptors stands for the machine's.
@Suite("shims in a shortage", .enabled(if: TestContainers.isPossible, "needs root"))
struct ShortageTests {
  let containers: TestContainers
  init() throws { containers = try TestContainers() }

  private func shim() throws -> Int32 {
    guard
      case .process(let pid) = try LifeLock.holder(
        of: containers.runner.directory(of: "c").appending("lock"))
    else { throw Errno.noSuchProcess }
    return pid
  }

  private func descriptors(of shim: Int32) throws -> Set<Int> {
    Set(try FileManager.default.contentsOfDirectory(atPath: "/proc/\(shim)/fd").compactMap { Int($0) })
  }

  /// That it has open.
  private func pipes(of shim: Int32) throws -> Int {
    try descriptors(of: shim).count {
      let link = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(shim)/fd/\($0)")
      return link?.hasPrefix("pipe:") ?? false
    }
  }

  /// - Parameter free: how many it can still open; nil takes the limit back.
  private func limit(_ shim: Int32, free: Int?) async throws {
    var limit = 1024
    if let free {
      let open = try descriptors(of: shim)
      limit = try #require((0..<1024).filter { !open.contains($0) }.dropFirst(free).first)
    }
    let set = try await ChildProcess.run(["prlimit", "--pid", "\(shim)", "--nofile=\(limit):"])
    try #require(set.succeeded, "\(set.errorText)")
  }

  /// How often it has waited for something.
  private func waits(of shim: Int32) throws -> Int {
    let status = try String(contentsOfFile: "/proc/\(shim)/status", encoding: .utf8)
    let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("voluntary_ctxt_switches") })
    return try #require(Int(line.split(separator: "\t").last ?? ""))
  }

  @Test("a client that cannot be taken is waited with, not asked after all the time, and taken later")
  func clients() async throws {
    try await containers.start("c", ["sh", "-c", "read line; echo got $line"], openStdin: true)
    let shim = try shim()
    try await limit(shim, free: 0)
    let input = try await containers.runner.attachInput("c")
    try await input.write(Array("word\n".utf8))
    let before = try waits(of: shim)
    try await eventually(describing: "the shim waits") { try waits(of: shim) >= before + 2 }
    try await limit(shim, free: nil)
    #expect(try await containers.runner.waitForExit("c").exitCode == 0)
    #expect(try await containers.output("c").stdout == Array("got word\n".utf8))
  }

  /// The number of ends, and of the starts that failed among them.
  private func ends() throws -> (all: Int, failed: Int) {
    let codes = try containers.runner.lives("c", after: 0).compactMap { entry -> Int32? in
      if case .ended(let record, _) = entry.content { record.exitCode } else { nil }
    }
    return (codes.count, codes.count { $0 == 125 })
  }

  @Test("a restart for which there are no descriptors leaves none open")
  func restarts() async throws {
    try containers.runner.setRestartRule("c", RestartRule(onFailureOnly: true))
    try await containers.start("c", ["false"], openStdin: true)
    let shim = try shim()
    // The pauses grow: in one of them all of this is done.
    try await eventually(describing: "it is limited in a pause") {
      let count = try ends().all
      guard count > 2, try pipes(of: shim) == 0 else { return false }
      // One pipe, and then none.
      try await limit(shim, free: 3)
      if try ends().all == count, try pipes(of: shim) == 0 { return true }
      try await limit(shim, free: nil)
      return false
    }
    try await eventually(describing: "two starts fail") { try ends().failed >= 2 }
    try await eventually(describing: "no pipe is left") { try pipes(of: shim) == 0 }
    try await limit(shim, free: nil)
    let failed = try ends()
    try await eventually(describing: "it starts again") {
      let now = try ends()
      return now.all - now.failed > failed.all - failed.failed
    }
    try await stop()
  }

  @Test("a restart that no service could find does not run, and counts as one that failed")
  func unnamed() async throws {
    try containers.runner.setRestartRule("c", RestartRule(onFailureOnly: false))
    try await containers.start("c", ["sleep", "1000"])
    let place = containers.runner.directory(of: "c").appending("pid.new").string
    try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: false)
    try containers.runner.signal("c", SIGKILL)
    try await eventually(describing: "a start fails") { try ends().failed > 0 }
    let pids = try containers.runner.lives("c", after: 0).compactMap { entry -> Int32? in
      if case .started(let pid, _) = entry.content { pid } else { nil }
    }
    let pid = try #require(pids.first)
    #expect(ProcessStatus(pid: pid) == nil)
    #expect(try containers.runner.state("c") == .restarting)
    try FileManager.default.removeItem(atPath: place)
    try await eventually(describing: "it runs again") {
      if case .running = try containers.runner.state("c") { true } else { false }
    }
    try await stop()
  }

  private func stop() async throws {
    try containers.runner.setRestartRule("c", nil)
    try await eventually(describing: "it has ended") {
      switch try containers.runner.state("c") {
      case .running: try? containers.runner.signal("c", SIGKILL)
      case .restarting: try containers.runner.endPause("c")
      default: return true
      }
      return false
    }
    _ = try await containers.runner.waitForExit("c")
  }
}
