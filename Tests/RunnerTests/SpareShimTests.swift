import EngineErrors
import Foundation
import LinuxSystem
import SystemPackage
import Testing

@testable import Runner

/// What is made ahead of a container makes no difference to it.
@Suite(
  "spare shims", .enabled(if: TestContainers.isPossible && !TestPlan.isRootless, "needs the host's root"))
struct SpareShimTests {
  let containers: TestContainers
  init() throws { containers = try TestContainers() }

  /// Makes a spare for the plan's kind.
  ///
  /// - Returns: its process.
  private func makeSpare(_ plan: LaunchPlan, _ runner: Runner? = nil) async throws -> ProcessDescriptor {
    let runner = runner ?? containers.runner
    try makeDirectories(containers.runDirectory, mode: 0o700)
    let staged = try #require(StagedPlan(plan))
    // It is wanted from now on.
    let earlier = await runner.spare.take(staged.stage)
    if let earlier { SpareShim.end(earlier) }
    runner.spare.replenish()
    // Behind it on the launcher's thread.
    try await runner.launcher.thread.run {}
    return try #require(runner.spare.process)
  }

  private static let look = """
    cut -d' ' -f5-6 /proc/self/mountinfo; sed 's/.* - //' /proc/self/mountinfo | cut -d' ' -f1; ls -l /dev /proc/self/ns/
    grep -E '^(Cap|Seccomp|NoNew|Groups|Uid|Gid|Umask|NSpid|Sig(Blk|Ign|Cgt))' /proc/self/status; cat /proc/self/oom_score_adj
    hostname; pwd; ls -a / /dev/shm /dev/pts /proc/sys/net; ls /proc/self/fd; cat /proc/net/dev | cut -d: -f1; id; umask
    """

  @Test func aContainerIsTheSameInIt() async throws {
    let look = ["sh", "-c", Self.look]
    func seen(_ text: String) -> [String] {
      // Numbers of namespaces, and times, are each container's own; and mounts are listed in the order in which they were made.
      text.split(separator: "\n").map {
        String($0.replacing(#/\[[0-9]+\]|[A-Z][a-z]{2} +[0-9]+ +[0-9:]+/#, with: ""))
      }.sorted()
    }
    let settings: (inout TestPlan) -> Void = {
      $0.mounts = [
        .setLoopbackUp, .bind(source: "/etc/passwd", target: "/etc/passwd", recursive: false, attributes: []),
        .mount(type: "tmpfs", source: "tmpfs", target: "/tmp", attributes: TestPlan.hardened, options: []),
      ]
      $0.settings = [.dropBoundingCapabilities(keep: 0x20)]
    }
    let without = try await containers.run("a", look, settings)
    let spare = try await makeSpare(containers.plan("b", look, settings))
    let shim = try await containers.runner.prepare(
      "b", containers.plan("b", look, settings), log: containers.log("b"), openStdin: false)
    #expect(try shim.shim.process.isSame(as: spare))
    _ = try await containers.runner.start(shim)
    let record = try await containers.runner.waitForExit("b")
    let output = try await containers.output("b")
    #expect(record.exitCode == 0 && without.record.exitCode == 0)
    #expect(seen(String(decoding: output.stdout, as: UTF8.self)) == seen(without.output))
    #expect(String(decoding: output.stderr, as: UTF8.self) == without.errors)
  }

  @Test func theRestartRuleStartsItAgainWithoutOne() async throws {
    let command = [
      "sh", "-c", "echo x >>/count; ls /dev/null /proc/self/exe /sys/kernel; wc -l </count; exit 1",
    ]
    _ = try await makeSpare(containers.plan("c", command))
    try makeDirectories(containers.runner.directory(of: "c"), mode: 0o700)
    try containers.runner.setRestartRule("c", RestartRule(onFailureOnly: true, maximum: 1))
    let prepared = try await containers.runner.prepare(
      "c", containers.plan("c", command), log: containers.log("c"), openStdin: false)
    #expect(prepared.failure.plan.operations.contains(.enterStage))
    _ = try await containers.runner.start(prepared)
    let record = try await containers.runner.waitForExit("c")
    #expect(record.exitCode == 1)
    let lines = String(decoding: try await containers.output("c").stdout, as: UTF8.self).split(
      separator: "\n")
    let half = lines.count / 2
    #expect(lines.count > 8 && lines[half - 1] == "1" && lines.last == "2")
    #expect(lines[..<(half - 1)] == lines[half..<(lines.count - 1)])
  }

  @Test func aFailureSaysWhatItWas() async throws {
    let plan = try containers.plan("c", ["true"]) {
      $0.mounts = [.bind(source: "/no/such/file", target: "/x", recursive: false, attributes: [])]
    }
    _ = try await makeSpare(plan)
    let error = await #expect(throws: EngineError.self) {
      try await containers.runner.start("c", plan, log: containers.log("c"), openStdin: false)
    }
    #expect(error?.description.contains("bind /no/such/file") == true, "\(String(describing: error))")
    let missing = try containers.plan("d", ["no-such-command"])
    _ = try await makeSpare(missing)
    let notFound = await #expect(throws: EngineError.self) {
      try await containers.runner.start("d", missing, log: containers.log("d"), openStdin: false)
    }
    #expect(notFound?.kind == .notFound)
    #expect(try await containers.runner.waitForExit("d").exitCode == 127)
  }

  @Test func oneThatWasKilledIsNotMissed() async throws {
    let plan = try containers.plan("c", ["echo", "there"])
    let spare = try await makeSpare(plan)
    try spare.signal(SIGKILL)
    let (record, output, _) = try await containers.run("c", ["echo", "there"])
    #expect(record.exitCode == 0 && output == "there\n")
  }

  @Test func whatWasWantingForAMomentIsNotTheEndOfSpares() async throws {
    let staged = try #require(StagedPlan(try containers.plan("c", ["true"]))).stage
    let spare = SpareShim(containers.runner.launcher, runDirectory: containers.runDirectory)
    try makeDirectories(containers.runDirectory, mode: 0o700)
    #expect(await spare.take(staged) == nil)
    func process(after errno: Errno) async throws -> ProcessDescriptor? {
      spare.made(staged, .failure(SystemError("socketpair", errno)))
      spare.replenish()
      // Behind it on the launcher's thread.
      try await containers.runner.launcher.thread.run {}
      return spare.process
    }
    #expect(try await process(after: .tooManyOpenFiles) != nil)
    let shim = try #require(await spare.take(staged))
    SpareShim.end(shim)
    #expect(try await process(after: .notPermitted) == nil)
  }

  @Test func itEndsWithItsRunner() async throws {
    let plan = try containers.plan("c", ["true"])
    var other: Runner? = containers.otherRunner()
    let spare = try await makeSpare(plan, other)
    other = nil
    try await DescriptorWatcher.shared.readable(spare.descriptor)
    #expect(try containers.runner.list() == [])
  }
}

struct StagedPlanTests {
  private let plan = TestPlan(rootfs: "/rootfs", scratch: "/scratch", arguments: ["true"])

  private func isStaged(_ mounts: [LaunchPlan.Operation]) -> Bool {
    var plan = plan
    plan.mounts = mounts
    return StagedPlan(plan.compiled()) != nil
  }

  @Test(.enabled(if: !TestPlan.isRootless, "an ordinary user's service mounts in the container's process"))
  func onlyWhatIsOfTheKernelIsMadeAhead() throws {
    let staged = try #require(StagedPlan(plan.compiled()))
    let made = Set(staged.stage.operations)
    #expect(made.isDisjoint(with: [.pivotRoot, .awaitStart, .setHostname("test")]))
    #expect(staged.plan.operations.filter { made.contains($0) } == staged.stage.operations)
    #expect(
      staged.plan.operations.first
        == .prepareRoot(lowers: ["/rootfs"], upper: "/scratch/upper", work: "/scratch/work"))
    #expect(isStaged([.bind(source: "/a", target: "/b", recursive: true, attributes: [])]))
  }

  @Test(
    arguments: [
      .sysctl(name: "net.ipv4.ip_forward", value: "1"),
      .bind(source: "/a", target: "/dev/b", recursive: false, attributes: []),
      .bind(source: "/a", target: "/x/../proc/b", recursive: false, attributes: []),
      .mount(type: "ext4", source: "/dev/sda", target: "/b", attributes: [], options: []),
      .maskPath("/etc/x"), .readOnlyPath("/"), .writeFile(target: "/x", mode: 0o644, content: []),
      .joinNamespace(.network, path: "/x"),
    ] as [LaunchPlan.Operation])
  func whatIsOutOfTheOrdinaryIsNot(_ operation: LaunchPlan.Operation) { #expect(!isStaged([operation])) }
}

extension ProcessDescriptor {
  fileprivate func isSame(as other: ProcessDescriptor) throws -> Bool {
    func pid(_ process: ProcessDescriptor) throws -> String {
      let text = try String(
        contentsOfFile: "/proc/self/fdinfo/\(process.descriptor.rawValue)", encoding: .utf8)
      return String(text.split(separator: "\n").first { $0.hasPrefix("Pid:") } ?? "")
    }
    return try pid(self) == pid(other) && pid(self) != "Pid:\t-1"
  }
}
