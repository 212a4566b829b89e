import Foundation
import LinuxSystem
import Runner
import SystemPackage
import Testing

private let benchmarkDirectory = ProcessInfo.processInfo.environment["CORACLE_BENCH_RUNNER"].map {
  FilePath($0)
}

/// Not a timed test: prints a table when `CORACLE_BENCH_RUNNER` names a directory with `floor` (bench/floor.c) and, to
/// compare with, a bundle for crun in `bundle`. See bench/runner.sh.
@Suite("start benchmark", .enabled(if: benchmarkDirectory != nil, "CORACLE_BENCH_RUNNER is not set"))
struct StartBenchmark {
  @Test func trueFromStartToExit() async throws {
    let directory = try #require(benchmarkDirectory)
    let containers = try TestContainers()
    let hardening: [LaunchPlan.Operation] =
      [
        "acpi", "asound", "kcore", "keys", "latency_stats", "timer_list", "timer_stats", "sched_debug",
        "scsi",
      ]
      .map { .maskPath("/proc/\($0)") } + [.maskPath("/sys/firmware")]
      + ["bus", "fs", "irq", "sys", "sysrq-trigger"].map { .readOnlyPath("/proc/\($0)") }
    var floor: [Double] = []
    var floorExec: [Double] = []
    var started: [Double] = []
    var ended: [Double] = []
    var crun: [Double] = []
    var exec: [Double] = []
    var bareStarted: [Double] = []
    var bareEnded: [Double] = []
    try await containers.start("holder", ["sleep", "1000"])
    for round in 0..<60 {
      let numbers = try output(
        directory.appending("floor").string,
        ["1", containers.rootfs.string, try scratch(containers, round), "/bin/true"])
      floorExec.append(numbers[0] / 1000)
      floor.append(numbers[1] / 1000)

      let id = "c\(round)"
      let plan = try containers.plan(id, ["/bin/true"]) { $0.settings = hardening }
      let clock = ContinuousClock()
      let start = clock.now
      _ = try await containers.runner.start(id, plan, log: containers.log(id), openStdin: false)
      started.append(milliseconds(clock.now - start))
      _ = try await containers.runner.waitForExit(id)
      ended.append(milliseconds(clock.now - start))

      let bare = LaunchPlan(
        namespaces: [], operations: [.execute(arguments: ["/bin/busybox", "true"], environment: [])])
      let first = clock.now
      _ = try await containers.runner.start(
        "bare\(round)", bare, log: containers.log("bare"), openStdin: false)
      bareStarted.append(milliseconds(clock.now - first))
      _ = try await containers.runner.waitForExit("bare\(round)")
      bareEnded.append(milliseconds(clock.now - first))

      let begin = clock.now
      let session = try await containers.runner.exec(
        "holder",
        LaunchPlan(namespaces: [], operations: [.execute(arguments: ["/bin/true"], environment: [])]),
        openStdin: false)
      _ = try await session.wait()
      exec.append(milliseconds(clock.now - begin))

      let null = try FileDescriptor.open("/dev/null", .readWrite, options: .closeOnExec)
      defer { try? null.close() }
      let before = clock.now
      let pid = try spawn(
        "/usr/bin/crun",
        arguments: [
          "crun", "--cgroup-manager=disabled", "run", "--bundle", directory.appending("bundle").string,
          "bench\(round)",
        ], environment: ["PATH=/usr/bin"], descriptors: [null, null, null])
      let status = try ProcessDescriptor(pid: pid).reap()
      if status == .exited(code: 0) { crun.append(milliseconds(clock.now - before)) }
    }
    try containers.runner.signal("holder", SIGKILL)
    _ = try await containers.runner.waitForExit("holder")
    let sample = try containers.plan("sample", ["/bin/true"]) { $0.settings = hardening }
    let encoding = try ContinuousClock().measure { for _ in 0..<100 { _ = try sample.encoded() } }
    print("encoding median \(milliseconds(encoding) / 100) ms, of \(try sample.encoded().count) bytes")
    for (name, values) in [
      ("floor: exec", floorExec), ("floor: end", floor), ("Runner.start", started),
      ("Runner.start to waitForExit", ended),
      ("no namespace: start", bareStarted), ("no namespace: end", bareEnded), ("Runner.exec to end", exec),
      ("crun run", crun),
    ] {
      let sorted = values.sorted()
      if sorted.isEmpty { continue }
      print(
        String(
          format: "%@ median %.2f ms, best %.2f, worst %.2f (%d)",
          name.padding(toLength: 28, withPad: " ", startingAt: 0),
          sorted[sorted.count / 2], sorted[0], sorted[sorted.count - 1], sorted.count))
    }
    #expect(ended.count == 60)
  }

  private func milliseconds(_ duration: Duration) -> Double { duration / .milliseconds(1) }

  private func scratch(_ containers: TestContainers, _ round: Int) throws -> String {
    let path = containers.directory.appending("floor\(round)").string
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    return path
  }

  private func output(_ program: String, _ arguments: [String]) throws -> [Double] {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return String(decoding: data, as: UTF8.self).split(whereSeparator: \.isWhitespace).compactMap {
      Double($0)
    }
  }
}
