import Foundation
import LinuxSystem
import Runner
import SystemPackage
import Testing

@Suite("memory of a shim", .enabled(if: TestContainers.isPossible, "needs root"))
struct ShimMemoryTests {
  @Test func oneShimHoldsAtMost400KiB() async throws {
    let containers = try TestContainers()
    try await containers.start("c", ["sh", "-c", "echo ready; exec cat"], openStdin: true)
    try await containers.runner.waitForOutput("c", at: containers.log("c"), containing: "ready")
    guard
      case .process(let pid) = try LifeLock.holder(of: containers.runner.directory(of: "c").appending("lock"))
    else {
      Issue.record("no shim")
      return
    }
    // The proportional set size, also while nothing shares the program's pages; a little later, idle, it is smaller.
    let rollup = try String(contentsOfFile: "/proc/\(pid)/smaps_rollup", encoding: .utf8)
    let line = try #require(rollup.split(separator: "\n").first { $0.hasPrefix("Pss:") })
    let size = try #require(Int(line.split(separator: " ").dropFirst().first ?? ""))
    #expect(size > 0 && size <= 400, "\(rollup)")
    try await containers.runner.closeStdin("c")
    #expect(try await containers.runner.waitForExit("c").exitCode == 0)
  }
}
