import EngineErrors
import Foundation
import LinuxSystem
import Runner
import SystemPackage
import TestSupport
import Testing

@Suite("exec sessions", .enabled(if: TestContainers.isPossible, "needs root"))
struct ExecTests {
  let containers: TestContainers
  init() throws { containers = try TestContainers() }

  private func plan(_ arguments: [String], _ settings: [LaunchPlan.Operation] = []) -> LaunchPlan {
    LaunchPlan(
      namespaces: [], operations: settings + [.execute(arguments: arguments, environment: ["PATH=/bin"])])
  }

  private func readAll(_ output: ExecOutput?) async throws -> String {
    var output = try #require(output)
    var bytes: [UInt8] = []
    while let more = try await output.next() { bytes += more }
    return String(decoding: bytes, as: UTF8.self)
  }

  private func withContainer(_ body: () async throws -> Void) async throws {
    try await containers.start("c", ["sleep", "1000"])
    do { try await body() } catch { Issue.record(error) }
    try containers.runner.signal("c", SIGKILL)
    _ = try await containers.runner.waitForExit("c")
  }

  @Test func commandSharesTheContainer() async throws {
    try await withContainer {
      let session = try await containers.runner.exec(
        "c", plan(["sh", "-c", "hostname; cat /proc/1/comm; exit 7"]), openStdin: false)
      #expect(try await readAll(session.stdout) == "test\nsleep\n")
      #expect(try await session.wait().status == .exited(code: 7))
      #expect(try await session.wait().exitCode == 7)
    }
  }

  @Test func inputOutputAndErrorsAreSeparate() async throws {
    try await withContainer {
      let session = try await containers.runner.exec(
        "c", plan(["sh", "-c", "cat; echo bad >&2"]), openStdin: true)
      try await session.write(Array("hello".utf8))
      session.closeStdin()
      #expect(try await readAll(session.stdout) == "hello")
      #expect(try await readAll(session.stderr) == "bad\n")
      #expect(try await session.wait().exitCode == 0)
    }
  }

  @Test func signalledCommandIsExact() async throws {
    try await withContainer {
      let session = try await containers.runner.exec("c", plan(["sh", "-c", "kill -9 $$"]), openStdin: false)
      #expect(try await session.wait().status == .signalled(signal: SIGKILL))
    }
  }

  @Test func missingAndUnexecutableCommands() async throws {
    try await withContainer {
      let missing = await #expect(throws: EngineError.self) {
        try await containers.runner.exec("c", plan(["nothing-here"]), openStdin: false)
      }
      #expect(missing?.kind == .notFound)
      let refused = await #expect(throws: EngineError.self) {
        try await containers.runner.exec("c", plan(["/etc/motd"]), openStdin: false)
      }
      #expect(refused?.kind == .permissionDenied)
    }
  }

  @Test func commandSeesThreeDescriptorsOnly() async throws {
    try await withContainer {
      let session = try await containers.runner.exec("c", plan(["ls", "/proc/self/fd"]), openStdin: false)
      #expect(try await readAll(session.stdout) == "0\n1\n2\n3\n")
      _ = try await session.wait()
    }
  }

  @Test func settingsApply() async throws {
    try await withContainer {
      let session = try await containers.runner.exec(
        "c",
        plan(
          ["sh", "-c", "id -u; id -g; id -G; pwd; grep -E 'Cap(Inh|Eff|Bnd)|NoNew' /proc/self/status"],
          [
            .makeDirectory(target: "/work/here", mode: 0o755), .changeDirectory("/work/here"),
            .setGroups([1000, 27]), .dropBoundingCapabilities(keep: 0x1),
            .setUser(uid: 1000, gid: 1000),
            .setCapabilities(effective: 0, permitted: 0, inheritable: 0, ambient: 0), .setNoNewPrivileges,
          ]), openStdin: false)
      let zeros = String(repeating: "0", count: 16)
      #expect(
        try await readAll(session.stdout) == """
          1000
          1000
          1000 27
          /work/here
          CapInh:\t\(zeros)
          CapEff:\t\(zeros)
          CapBnd:\t0000000000000001
          NoNewPrivs:\t1

          """)
      _ = try await session.wait()
    }
  }

  @Test func cancelKillsTheWholeTree() async throws {
    try await withContainer {
      let session = try await containers.runner.exec(
        "c", plan(["sh", "-c", "sleep 2000 & setsid sleep 3000 & echo ready; wait"]), openStdin: false)
      var output = try #require(session.stdout)
      #expect(try await output.next() == Array("ready\n".utf8))
      #expect(try await session.cancel().status == .signalled(signal: SIGKILL))
      // What has been killed with it goes a moment later.
      try await eventually(describing: "the container's own process is left alone") {
        let rest = try await containers.runner.exec(
          "c", plan(["sh", "-c", "for each in /proc/[0-9]*; do cat $each/cmdline; done"]), openStdin: false)
        return try await readAll(rest.stdout)
      } until: {
        $0.contains("1000\0") && !$0.contains("2000\0") && !$0.contains("3000\0")
      }
    }
  }

  @Test("what a command leaves behind does not hold up its end, and what it wrote before is all there")
  func leftBehind() async throws {
    try await withContainer {
      let session = try await containers.runner.exec(
        "c", plan(["sh", "-c", "sleep 5000 & head -c 60000 /dev/zero | tr '\\0' x; echo end"]),
        openStdin: false)
      let text = try await readAll(session.stdout)
      #expect(text.count == 60004 && text.hasSuffix("xend\n"))
      #expect(try await session.wait().exitCode == 0)
      // Nor one that never stops writing.
      let endless = try await containers.runner.exec(
        "c", plan(["sh", "-c", "echo more; while :; do echo more; done & exit 4"]), openStdin: false)
      #expect(try await readAll(endless.stdout).hasPrefix("more\n"))
      #expect(try await endless.wait().exitCode == 4)
    }
  }

  @Test("input that what a command has left behind does not read is held by no thread, and dropped")
  func unreadInput() async throws {
    try await withContainer {
      let session = try await containers.runner.exec(
        "c", plan(["sh", "-c", "exec 5<&0; sleep 5000 <&5 & exit 3"]), openStdin: true)
      let writing = Task { try await session.write([UInt8](repeating: 7, count: 1 << 20)) }
      #expect(try await session.wait().exitCode == 3)
      writing.cancel()
      await #expect(throws: CancellationError.self) { try await writing.value }
    }
  }

  @Test("input on a terminal that nobody reads can be given up")
  func unreadKeys() async throws {
    try await withContainer {
      let session = try await containers.runner.exec(
        "c", plan(["sleep", "5000"], [.openTerminal(rows: 24, columns: 80, bindsConsole: false)]),
        openStdin: true)
      let terminal = try #require(session.terminal)
      // Whole lines, of which it holds no more than it has room for.
      let writing = Task { try await terminal.write(Array(String(repeating: "y\n", count: 500_000).utf8)) }
      // The echo says that some have come.
      #expect(try await session.terminalOutput()?.isEmpty == false)
      writing.cancel()
      await #expect(throws: CancellationError.self) { try await writing.value }
      try await session.cancel()
    }
  }

  @Test("more input than a pipe or a terminal holds arrives whole", arguments: [false, true])
  func muchInput(hasTerminal: Bool) async throws {
    try await withContainer {
      let settings: [LaunchPlan.Operation] =
        hasTerminal ? [.openTerminal(rows: 24, columns: 80, bindsConsole: false)] : []
      let session = try await containers.runner.exec(
        "c",
        plan(
          [
            "sh", "-c",
            "busybox stty -echo 2>/dev/null; echo ready; head -c 400000 | busybox tr -d '\\n' | busybox wc -c",
          ], settings),
        openStdin: true)
      var stdout = session.stdout
      func more() async throws -> [UInt8]? {
        if session.terminal != nil { try await session.terminalOutput() } else { try await stdout?.next() }
      }
      var output: [UInt8] = []
      while !output.contains(0x0A), let bytes = try await more() { output += bytes }
      let input = Array(String(repeating: "y\n", count: 200_000).utf8)
      let writing = Task {
        if let terminal = session.terminal {
          try await terminal.write(input)
        } else {
          try await session.write(input)
        }
      }
      while let bytes = try await more() { output += bytes }
      try await writing.value
      #expect(String(decoding: output.filter { $0 != 0x0D }, as: UTF8.self) == "ready\n200000\n")
      #expect(try await session.wait().exitCode == 0)
    }
  }

  @Test func execInAStoppedContainerIsAConflict() async throws {
    _ = try await containers.run("c", ["true"])
    let error = await #expect(throws: EngineError.self) {
      try await containers.runner.exec("c", plan(["true"]), openStdin: false)
    }
    #expect(error?.kind == .conflict)
  }

  @Test func execEndsWithItsContainer() async throws {
    try await containers.start("c", ["sleep", "1000"])
    let session = try await containers.runner.exec("c", plan(["sleep", "1000"]), openStdin: false)
    try containers.runner.signal("c", SIGKILL)
    #expect(try await session.wait().exitCode == 137)
    _ = try await containers.runner.waitForExit("c")
  }
}
