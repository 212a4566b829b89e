import EngineErrors
import Foundation
import LinuxSystem
import SystemPackage
import Testing

@testable import Runner

@Suite("container life", .enabled(if: TestContainers.isPossible, "needs root"))
struct ContainerLifeTests {
  let containers: TestContainers
  init() throws { containers = try TestContainers() }

  @Test(arguments: [0, 3, 255])
  func exitCodesAreExact(code: Int32) async throws {
    let (record, _, _) = try await containers.run("c", ["sh", "-c", "exit \(code)"])
    #expect(record.status == .exited(code: code))
    #expect(record.exitCode == code)
    #expect(!record.shimLost)
    #expect(try containers.runner.state("c") == .exited(record))
  }

  @Test func killedContainerIs137() async throws {
    try await containers.start("c", ["sleep", "1000"])
    try containers.runner.signal("c", SIGKILL)
    let record = try await containers.runner.waitForExit("c")
    #expect(record.status == .signalled(signal: SIGKILL))
    #expect(record.exitCode == 137)
  }

  @Test func signalReachesTheFirstProcess() async throws {
    try await containers.start(
      "c", ["sh", "-c", "trap 'exit 44' USR1; echo ready; while :; do sleep 1000 & wait; done"])
    try await containers.runner.waitForOutput("c", at: containers.log("c"), containing: "ready")
    try containers.runner.signal("c", SIGUSR1)
    #expect(try await containers.runner.waitForExit("c").exitCode == 44)
  }

  @Test func outputBytesAreIntact() async throws {
    let (record, output, errors) = try await containers.run(
      "c", ["sh", "-c", "printf 'a\\377\\000b'; echo oops >&2"])
    #expect(record.exitCode == 0)
    #expect(errors == "oops\n")
    let bytes = try await containers.output("c").stdout
    #expect(bytes == [0x61, 0xFF, 0x00, 0x62])
    #expect(output.count > 0)
  }

  @Test func tenMegabytesArrive() async throws {
    try await containers.start("c", ["dd", "if=/dev/zero", "bs=65536", "count=160"])
    // Followed while it is written.
    let output = try await containers.output("c", follow: true).stdout
    #expect(output.count == 10 * 1024 * 1024)
    #expect(output.allSatisfy { $0 == 0 })
    #expect(try await containers.runner.waitForExit("c").lostOutput == 0)
  }

  @Test func payloadSeesThreeDescriptorsOnly() async throws {
    let (_, output, _) = try await containers.run("c", ["ls", "/proc/self/fd"])
    // The fourth is the directory that ls itself has open.
    #expect(output.split(separator: "\n") == ["0", "1", "2", "3"])
    let (_, target, _) = try await containers.run("d", ["readlink", "/proc/self/fd/0"])
    #expect(target == "/dev/null\n")
  }

  @Test func payloadStartsClean() async throws {
    let (_, output, _) = try await containers.run(
      "c",
      [
        "sh", "-c",
        "grep -E 'Sig(Blk|Ign)' /proc/self/status; umask; pwd; hostname; cat /proc/self/coredump_filter >/dev/null; echo $$",
      ])
    #expect(output == "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n0022\n/\ntest\n1\n")
  }

  @Test func standardStreamsBlock() async throws {
    // O_NONBLOCK is 04000 in fdinfo's octal flags.
    let (_, output, _) = try await containers.run(
      "c", ["sh", "-c", "for n in 0 1 2; do grep flags /proc/self/fdinfo/$n; done"])
    let flags = output.split(separator: "\n").compactMap {
      $0.split(separator: "\t").last.flatMap { Int($0, radix: 8) }
    }
    #expect(flags.count == 3)
    #expect(flags.allSatisfy { $0 & 0o4000 == 0 })
  }

  @Test func missingCommandIs127() async throws {
    let error = await #expect(throws: EngineError.self) {
      try await containers.start("c", ["no-such-command"])
    }
    #expect(error?.kind == .notFound)
    #expect(error?.message.contains("no-such-command") == true)
    guard case .exited(let record) = try containers.runner.state("c") else {
      Issue.record("no exit record")
      return
    }
    #expect(record.exitCode == 127)
  }

  @Test func unexecutableCommandIs126() async throws {
    let error = await #expect(throws: EngineError.self) { try await containers.start("c", ["/etc/motd"]) }
    #expect(error?.kind == .permissionDenied)
    #expect(try await containers.runner.waitForExit("c").exitCode == 126)
  }

  @Test func failedMountNamesTheOperation() async throws {
    let error = await #expect(throws: EngineError.self) {
      try await containers.start("c", ["true"]) {
        $0.mounts = [.mount(type: "no-such-fs", source: "", target: "/mnt", attributes: [], options: [])]
      }
    }
    #expect(error?.message.contains("mount no-such-fs on /mnt") == true)
    #expect(try containers.runner.state("c") == .absent)
  }

  @Test func failedOptionCarriesTheKernelsWords() async throws {
    let error = await #expect(throws: EngineError.self) {
      try await containers.start("c", ["true"]) {
        $0.mounts = [
          .mount(type: "tmpfs", source: "", target: "/mnt", attributes: [], options: [.init("bogus", "1")])
        ]
      }
    }
    #expect(error?.description.contains("bogus") == true)
  }

  @Test func aPreparedContainerRunsNothingUntilItIsStarted() async throws {
    let (runner, log) = (containers.runner, containers.log("c"))
    let prepared = try await runner.prepare(
      "c", try containers.plan("c", ["sh", "-c", "echo ran"]), log: log, openStdin: false)
    _ = try await containers.run("d", ["true"])
    #expect(try Data(contentsOf: URL(fileURLWithPath: log.string)).isEmpty)
    _ = try await runner.start(prepared)
    #expect(try await runner.waitForExit("c").exitCode == 0)
    #expect(try await containers.output("c").stdout == Array("ran\n".utf8))
  }

  @Test func aStartThatIsCalledOffLeavesNothing() async throws {
    let prepared = try await containers.runner.prepare(
      "c", try containers.plan("c", ["sh", "-c", "echo ran"]), log: containers.log("c"), openStdin: false)
    await containers.runner.callOff(prepared)
    #expect(try containers.runner.state("c") == .absent)
    #expect(try containers.runner.list() == [])
    let (record, output, _) = try await containers.run("c", ["echo", "ran"])
    #expect(record.exitCode == 0 && output == "ran\n")
  }

  @Test func aStartWhoseReportCannotBeReadLeavesNothing() async throws {
    let prepared = try await containers.runner.prepare(
      "c", try containers.plan("c", ["sleep", "1000"]), log: containers.log("c"), openStdin: false)
    let status = prepared.shim.status.descriptor
    // The shim hears that it is to start, and is not alone.
    let socket = try status.duplicate()
    defer { try? socket.close() }
    #expect(send(socket.rawValue, [1], 1, 0) == 1)
    try await DescriptorWatcher.shared.readable(socket)
    // Readable as well, and nothing that a report comes from.
    let pipe = try FileDescriptor.pipe()
    defer { try? pipe.readEnd.close() }
    try pipe.writeEnd.closeAfter { _ = try pipe.writeEnd.writeAll([1]) }
    _ = try pipe.readEnd.duplicate(as: status)
    await #expect(throws: EngineError.self) { try await containers.runner.start(prepared) }
    #expect(try containers.runner.state("c") == .absent)
    #expect(try containers.runner.list() == [])
    #expect(throws: SystemError.self) { try prepared.shim.process.signal(0) }
  }

  @Test func secondStartOfARunningContainerIsAConflict() async throws {
    try await containers.start("c", ["sleep", "1000"])
    let plan = try containers.plan("c2", ["true"])
    let error = await #expect(throws: EngineError.self) {
      try await containers.otherRunner().start("c", plan, log: containers.log("c"), openStdin: false)
    }
    #expect(error?.kind == .conflict)
    guard case .running = try containers.runner.state("c") else {
      Issue.record("the first one ended")
      return
    }
    try containers.runner.signal("c", SIGKILL)
    _ = try await containers.runner.waitForExit("c")
  }

  @Test func oneThatIsToGoIsKilledAndItsRootLetGoLater() async throws {
    try await containers.start("c", ["sh", "-c", "trap '' TERM; sleep 1000"])
    let root = try #require(try await containers.runner.end("c"))
    // It has ended, and all of its mounts but this one are gone.
    #expect(try containers.runner.runningShim("c") == nil)
    #expect(try await containers.runner.waitForExit("c").exitCode == 137)
    root.letGo()
    root.letGo()
    let again = await #expect(throws: EngineError.self) { try await containers.runner.end("c") }
    #expect(again?.kind == .conflict)
    try await containers.runner.cleanUp("c")
    #expect(try containers.runner.list() == [])
  }

  @Test func restartedContainerHasANewRecord() async throws {
    let first = try await containers.run("c", ["sh", "-c", "echo one; exit 5"])
    let second = try await containers.run("c", ["sh", "-c", "echo two; exit 6"])
    #expect(first.record.exitCode == 5)
    #expect(second.record.exitCode == 6)
    #expect(second.output == "one\ntwo\n")
    try await containers.runner.cleanUp("c")
    #expect(try containers.runner.state("c") == .absent)
  }

  @Test(.enabled(if: !TestPlan.isRootless, "a procfs of the host's processes is root's alone"))
  func outputOfAnOrphanDoesNotHoldTheEnd() async throws {
    // Without a pid namespace the sleeper outlives the first process and keeps the pipes.
    let (record, output, _) = try await containers.run("c", ["sh", "-c", "sleep 1000 & echo $!; exit 0"]) {
      $0.namespaces.remove(.pid)
    }
    #expect(record.exitCode == 0)
    let sleeper = try #require(Int32(output.split(separator: "\n").first ?? ""))
    kill(sleeper, SIGKILL)
  }

  @Test func cancelledStartLeavesNothing() async throws {
    let plan = try containers.plan("c", ["sleep", "1000"])
    let starting = Task {
      withUnsafeCurrentTask { $0?.cancel() }
      return try await containers.runner.start("c", plan, log: containers.log("c"), openStdin: false)
    }
    let error = await #expect(throws: EngineError.self) { try await starting.value }
    #expect(error?.kind == .cancelled)
    #expect(try containers.runner.state("c") == .absent)
    #expect(try await containers.run("c", ["true"]).record.exitCode == 0)
  }

  @Test func cancelledWaitEndsAtOnce() async throws {
    try await containers.start("c", ["sleep", "1000"])
    let waiting = Task { try await containers.runner.waitForExit("c") }
    waiting.cancel()
    let error = await #expect(throws: EngineError.self) { try await waiting.value }
    #expect(error?.kind == .cancelled)
    try containers.runner.signal("c", SIGKILL)
    _ = try await containers.runner.waitForExit("c")
  }
}
