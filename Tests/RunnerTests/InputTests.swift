import EngineErrors
import Foundation
import LinuxSystem
import Runner
import SystemPackage
import Testing

@Suite("attached input", .enabled(if: TestContainers.isPossible, "needs root"))
struct InputTests {
  @Test func bytesAndEndArrive() async throws {
    let containers = try TestContainers()
    try await containers.start("c", ["cat"], openStdin: true)
    let input = try await containers.runner.attachInput("c")
    try await input.write(Array("one ".utf8))
    try await input.write(Array("two".utf8))
    try await input.end()
    #expect(try await containers.runner.waitForExit("c").exitCode == 0)
    #expect(String(decoding: try await containers.output("c").stdout, as: UTF8.self) == "one two")
  }

  @Test func severalWritersAndALeaver() async throws {
    let containers = try TestContainers()
    try await containers.start(
      "c", ["sh", "-c", "while read line; do echo got $line; done"], openStdin: true)
    do {
      let leaver = try await containers.runner.attachInput("c")
      try await leaver.write(Array("first\n".utf8))
      try await containers.runner.waitForOutput("c", at: containers.log("c"), containing: "got first")
    }
    let input = try await containers.otherRunner().attachInput("c")
    try await input.write(Array("second\n".utf8))
    try await containers.runner.closeStdin("c")
    #expect(try await containers.runner.waitForExit("c").exitCode == 0)
    #expect(
      String(decoding: try await containers.output("c").stdout, as: UTF8.self) == "got first\ngot second\n")
  }

  @Test func aContainerThatDoesNotReadHoldsTheWriterOnly() async throws {
    let containers = try TestContainers()
    // It reads nothing before it is told by a signal, but writes all the time.
    try await containers.start(
      "c", ["sh", "-c", "trap 'exec wc -c' USR1; echo ready; while :; do echo tick; sleep 0.01; done"],
      openStdin: true)
    try await containers.runner.waitForOutput("c", at: containers.log("c"), containing: "ready")
    let input = try await containers.runner.attachInput("c")
    let megabyte = [UInt8](repeating: 7, count: 1 << 20)
    let writing = Task { try await input.write(megabyte) }
    // Output goes on while the writer is held.
    var ticks = 0
    for try await record in try await containers.runner.log(
      "c", at: containers.log("c"), from: .now, follow: true)
    {
      ticks += record.content.bytes.count { $0 == UInt8(ascii: "\n") }
      if ticks >= 20 { break }
    }
    try containers.runner.signal("c", SIGUSR1)
    try await writing.value
    try await input.end()
    #expect(try await containers.runner.waitForExit("c").exitCode == 0)
    let output = String(decoding: try await containers.output("c").stdout, as: UTF8.self)
    #expect(output.hasSuffix("1048576\n"))
  }

  @Test func closedInputIsAConflict() async throws {
    let containers = try TestContainers()
    try await containers.start("c", ["sleep", "1000"])
    let error = await #expect(throws: EngineError.self) { try await containers.runner.attachInput("c") }
    #expect(error?.kind == .conflict)
    try containers.runner.signal("c", SIGKILL)
    _ = try await containers.runner.waitForExit("c")
  }

  @Test func longRunDirectoriesWork() async throws {
    let containers = try TestContainers(nested: "/" + String(repeating: "deep-directory/", count: 12) + "end")
    try await containers.start("c", ["cat"], openStdin: true)
    let input = try await containers.runner.attachInput("c")
    try await input.write([65])
    try await input.end()
    #expect(try await containers.runner.waitForExit("c").exitCode == 0)
    #expect(try await containers.output("c").stdout == [65])
    var status = stat()
    try await containers.start("d", ["cat"], openStdin: true)
    #expect(stat(containers.runner.directory(of: "d").appending("attach.sock").string, &status) == 0)
    #expect(status.st_mode & 0o777 == 0o600)
    try await containers.runner.closeStdin("d")
    _ = try await containers.runner.waitForExit("d")
  }

  @Test("the end of an input that nobody reads can be cancelled, however full it is")
  func cancelledEnd() async throws {
    let containers = try TestContainers()
    for pieces in 1...32 {
      try await containers.start("c\(pieces)", ["sleep", "1000"], openStdin: true)
      let input = try await containers.runner.attachInput("c\(pieces)")
      let writing = Task {
        try await input.write([UInt8](repeating: 65, count: pieces * 16 << 10))
        try await input.end()
      }
      // With some of the numbers it waits in `end` by then; with none is it left waiting.
      try await Task.sleep(for: .milliseconds(20))
      writing.cancel()
      _ = await writing.result
      try containers.runner.signal("c\(pieces)", SIGKILL)
      _ = try await containers.runner.waitForExit("c\(pieces)")
    }
  }
}
