import EngineErrors
import Foundation
import Runner
import SystemPackage
import Testing

@Suite("terminals in launch plans", .enabled(if: TestContainers.isPossible, "needs root"))
struct TerminalPlanTests {
  private let terminal = LaunchPlan.Operation.openTerminal(rows: 24, columns: 80, bindsConsole: true)

  private func failure(_ before: [LaunchPlan.Operation]) async throws -> (String, TestContainers) {
    let containers = try TestContainers()
    let error = await #expect(throws: EngineError.self) {
      try await containers.start("c", ["true"]) { $0.mounts = before + [terminal] }
    }
    return (error?.description ?? "", containers)
  }

  @Test func aConsoleThatIsALinkIsRefused() async throws {
    let (message, containers) = try await failure([
      .makeSymlink(target: "/dev/console", content: "/etc/motd")
    ])
    #expect(message.contains("cannot open a terminal") && message.contains("openat2"), "\(message)")
    #expect(
      try String(contentsOfFile: containers.rootfs.appending("etc/motd").string, encoding: .utf8)
        == "not a program\n")
  }

  @Test func whatIsNoDevptsIsRefused() async throws {
    let (covered, _) = try await failure([
      .mount(type: "tmpfs", source: "tmpfs", target: "/dev/pts", attributes: [], options: []),
      .makeNode(target: "/dev/pts/ptmx", mode: 0o010666, major: 0, minor: 0),
    ])
    #expect(covered.contains("/dev/pts is not devpts"), "\(covered)")
    let (master, containers) = try await failure([
      .bind(source: "/bin/busybox", target: "/dev/pts/ptmx", recursive: false, attributes: [.readOnly])
    ])
    #expect(master.contains("cannot open a terminal"), "\(master)")
    withExtendedLifetime(containers) {}
  }

  @Test func outputOfATerminalIsTheStandardOutput() async throws {
    let containers = try TestContainers()
    let result = try await containers.run(
      "c", ["sh", "-c", "echo out; echo err >&2; seq 1 20000; exec >&- 2>&- <&-; echo late > /dev/console"]
    ) { $0.mounts = [terminal] }
    #expect(result.errors == "" && result.record.exitCode == 0)
    let lines = result.output.split(separator: "\r\n")
    #expect(lines.count == 20_003 && lines.first == "out" && lines.last == "late")
  }
}
