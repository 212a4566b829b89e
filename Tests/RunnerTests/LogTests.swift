import EngineErrors
import Foundation
import LinuxSystem
import Runner
import SystemPackage
import Testing

@Suite("logs", .enabled(if: TestContainers.isPossible, "needs root"))
struct LogTests {
  let containers: TestContainers
  init() throws { containers = try TestContainers() }

  private func text(_ start: LogReader.Start, follow: Bool = false) async throws -> String {
    var bytes: [UInt8] = []
    for try await record in try await containers.runner.log(
      "c", at: containers.log("c"), from: start, follow: follow)
    {
      bytes += record.content.bytes
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  @Test func lastLinesCountOverRecords() async throws {
    _ = try await containers.run("c", ["sh", "-c", "seq 1 5000; printf open"])
    #expect(try await text(.lastLines(3)) == "4999\n5000\nopen")
    #expect(try await text(.lastLines(1)) == "open")
    #expect(try await text(.lastLines(0)) == "")
    #expect(try await text(.now) == "")
    #expect(try await text(.lastLines(100_000)).hasPrefix("1\n2\n"))
    #expect(try await text(.lastLines(Int.max)).split(separator: "\n").count == 5001)
  }

  @Test func followingEndsWithTheContainer() async throws {
    try await containers.start("c", ["sh", "-c", "echo first; read x; echo last"], openStdin: true)
    try await containers.runner.waitForOutput("c", at: containers.log("c"), containing: "first")
    let following = Task { try await text(.beginning, follow: true) }
    let late = Task { try await text(.lastLines(1), follow: true) }
    try await containers.runner.attachInput("c").write(Array("go\n".utf8))
    #expect(try await following.value == "first\nlast\n")
    #expect(try await late.value.hasSuffix("last\n"))
  }

  @Test func followingCanBeCancelled() async throws {
    try await containers.start("c", ["sleep", "1000"])
    let following = Task { try await text(.beginning, follow: true) }
    following.cancel()
    let error = await #expect(throws: EngineError.self) { try await following.value }
    #expect(error?.kind == .cancelled)
    try containers.runner.signal("c", SIGKILL)
    _ = try await containers.runner.waitForExit("c")
  }

  @Test func partOfARecordIsCutOffBeforeTheNextRun() async throws {
    try await containers.start("c", ["sh", "-c", "echo one; exec sleep 1000"])
    try await containers.runner.waitForOutput("c", at: containers.log("c"), containing: "one")
    guard
      case .process(let shim) = try LifeLock.holder(
        of: containers.runner.directory(of: "c").appending("lock"))
    else {
      Issue.record("no shim")
      return
    }
    kill(shim, SIGKILL)
    #expect(try await containers.runner.waitForExit("c").shimLost)
    // As if the kill had come in the middle of a write.
    let log = try FileDescriptor.open(containers.log("c"), .writeOnly, options: .append)
    _ = try log.writeAll([1, 2, 3, 4, 5, 6, 7, 8, 1, 0, 0, 0, 200, 0, 0, 0] + Array("part".utf8))
    try log.close()
    #expect(try await text(.beginning) == "one\n")
    _ = try await containers.run("c", ["echo", "two"])
    #expect(try await text(.beginning) == "one\ntwo\n")
  }

  @Test func damagedLogIsCorrupt() async throws {
    try Data(repeating: 0xFF, count: 64).write(to: URL(fileURLWithPath: containers.log("c").string))
    let error = await #expect(throws: EngineError.self) { try await text(.beginning) }
    #expect(error?.kind == .corrupt)
  }
}
