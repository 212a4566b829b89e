import EngineErrors
import Foundation
import LinuxSystem
import Runner
import SystemPackage
import TestSupport
import Testing

@Suite("other services and lost shims", .enabled(if: TestContainers.isPossible, "needs root"))
struct ShimLossTests {
  let containers: TestContainers
  init() throws { containers = try TestContainers() }

  private func shim(of id: String) throws -> Int32 {
    guard
      case .process(let pid) = try LifeLock.holder(of: containers.runner.directory(of: id).appending("lock"))
    else {
      throw Errno.noSuchProcess
    }
    return pid
  }

  @Test func anotherServiceSeesWaitsAndSignals() async throws {
    let started = try await containers.start("c", ["sleep", "1000"])
    let other = containers.otherRunner()
    #expect(try other.state("c") == .running(pid: started.pid))
    let waiting = Task { try await other.waitForExit("c") }
    try other.signal("c", SIGTERM)
    try other.signal("c", SIGKILL)
    let record = try await waiting.value
    #expect(record.exitCode == 137)
    #expect(try await containers.runner.waitForExit("c") == record)
    #expect(try other.state("c") == .exited(record))
    let error = #expect(throws: EngineError.self) { try other.signal("c", SIGKILL) }
    #expect(error?.kind == .conflict)
  }

  @Test(arguments: [false, true]) func killedShimTakesItsContainerAlong(changesUser: Bool) async throws {
    // A change of user undoes the kernel's tie to the parent's death: asked for again by the shim's child.
    let started = try await containers.start("c", ["sleep", "1000"]) {
      if changesUser { $0.settings = [.setGroups([]), .setUser(uid: 1000, gid: 1000)] }
    }
    let first = try ProcessDescriptor(pid: started.pid)
    kill(try shim(of: "c"), SIGKILL)
    try await DescriptorWatcher.shared.readable(first.descriptor)
    let record = try await containers.runner.waitForExit("c")
    #expect(record.shimLost)
    #expect(record.exitCode == 137)
    #expect(try containers.otherRunner().state("c") == .lost(record))
  }

  @Test func survivorOfAKilledShimIsKilledByTheNextLook() async throws {
    // A set-user-ID program undoes the kernel's tie to the parent's death when it is executed, after all that a shim can do.
    let program = containers.rootfs.appending("bin/busybox-elevated").string
    try FileManager.default.copyItem(atPath: "/bin/busybox", toPath: program)
    #expect(chmod(program, 0o4755) == 0)
    let started = try await containers.start("c", ["/bin/busybox-elevated", "sleep", "1000"]) {
      $0.settings = [.setGroups([]), .setUser(uid: 1000, gid: 1000)]
    }
    let first = try ProcessDescriptor(pid: started.pid)
    kill(try shim(of: "c"), SIGKILL)
    #expect(try await containers.runner.waitForExit("c").shimLost)
    var entry = pollfd(fd: first.descriptor.rawValue, events: Int16(POLLIN), revents: 0)
    #expect(poll(&entry, 1, 0) == 1)
  }

  @Test func terminatedShimPassesItOn() async throws {
    try await containers.start(
      "c", ["sh", "-c", "trap 'exit 9' TERM; echo ready; while :; do sleep 1000 & wait; done"])
    try await containers.runner.waitForOutput("c", at: containers.log("c"), containing: "ready")
    kill(try shim(of: "c"), SIGTERM)
    #expect(try await containers.runner.waitForExit("c").status == .exited(code: 9))
  }

  @Test func hangUpDoesNotEndTheShim() async throws {
    try await containers.start("c", ["sleep", "1000"])
    for signal in [SIGHUP, SIGINT, SIGPIPE, SIGQUIT] { kill(try shim(of: "c"), signal) }
    guard case .running = try containers.runner.state("c") else {
      Issue.record("it ended")
      return
    }
    try containers.runner.signal("c", SIGKILL)
    #expect(try await containers.runner.waitForExit("c").shimLost == false)
  }

  @Test func nothingLeaksIntoTheHost() async throws {
    // Of this test: others mount what they need at the same time.
    func mounts() throws -> [Substring] {
      try String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8).split(separator: "\n")
        .filter { $0.contains(containers.directory.string) }
    }
    _ = try await containers.run("c", ["true"])
    _ = await #expect(throws: EngineError.self) { try await containers.start("d", ["nothing"]) }
    try await containers.start("e", ["sleep", "1000"])
    #expect(try mounts().isEmpty)
    try containers.runner.signal("e", SIGKILL)
    _ = try await containers.runner.waitForExit("e")
    #expect(try mounts().isEmpty)
  }

  @Test func noZombieIsLeft() async throws {
    try await containers.start("c", ["sleep", "1000"])
    let pid = try shim(of: "c")
    let shim = try ProcessDescriptor(pid: pid)
    let startTime = try #require(ProcessStatus(pid: pid)).startTime
    try containers.runner.signal("c", SIGKILL)
    _ = try await containers.runner.waitForExit("c")
    try await DescriptorWatcher.shared.readable(shim.descriptor)
    // The reaping watch was there first, and the same thread serves both in turn.
    try await eventually(describing: "it is reaped") { ProcessStatus(pid: pid)?.startTime != startTime }
  }

  @Test func freeLockMeansThatTheMountsAreGone() async throws {
    // The same upper directory at once again: the kernel would refuse or complain while it is mounted.
    for round in 0..<10 {
      let (record, output, _) = try await containers.run(
        "c", ["sh", "-c", "echo \(round) >>/etc/rounds; wc -l </etc/rounds"])
      #expect(record.exitCode == 0)
      #expect(output.hasSuffix("\(round + 1)\n"))
    }
    try await containers.runner.cleanUp("c")
    #expect(try LifeLock.holder(of: containers.runner.directory(of: "c").appending("lock")) == nil)
  }
}
