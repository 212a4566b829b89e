import EngineErrors
import Foundation
import LinuxSystem
import Runner
import SystemPackage
import Testing

@Suite("what a plan's execution holds against", .enabled(if: TestContainers.isPossible, "needs root"))
struct IsolationTests {
  let containers: TestContainers
  init() throws { containers = try TestContainers() }

  /// Replaces a path of the image by a link.
  private func link(_ path: String, to destination: String) throws {
    let full = containers.rootfs.appending(path).string
    try? FileManager.default.removeItem(atPath: full)
    try FileManager.default.createSymbolicLink(atPath: full, withDestinationPath: destination)
  }

  private func startFails(
    _ arguments: [String] = ["true"], _ change: (inout TestPlan) -> Void
  ) async throws -> String {
    let error = await #expect(throws: EngineError.self) { try await containers.start("c", arguments, change) }
    return error?.description ?? ""
  }

  @Test func entryPointThroughTheShimsOwnExecutable() async throws {
    // CVE-2019-5736: the kernel executes the shim's binary inside the container, which then tries to write it.
    let script = containers.rootfs.appending("bin/trick").string
    try Data("#!/proc/self/exe\n".utf8).write(to: URL(fileURLWithPath: script))
    #expect(chmod(script, 0o755) == 0)
    let before = try Data(contentsOf: URL(fileURLWithPath: TestContainers.shim.string))
    let (record, _, _) = try await containers.run("c", ["/bin/trick"])
    // What runs is the template, which finds no socket of a service and ends.
    #expect(record.status == .exited(code: 2))
    #expect(try Data(contentsOf: URL(fileURLWithPath: TestContainers.shim.string)) == before)
    // What a container could reach cannot be written by root with all capabilities.
    try await containers.start("d", ["sleep", "1000"])
    guard
      case .process(let shim) = try LifeLock.holder(
        of: containers.runner.directory(of: "d").appending("lock"))
    else {
      Issue.record("no shim")
      return
    }
    let executable = FilePath("/proc/\(shim)/exe")
    #expect(throws: (any Error).self) {
      let file = try FileDescriptor.open(executable, .writeOnly)
      defer { try? file.close() }
      _ = try file.writeAll([1])
    }
    try containers.runner.signal("d", SIGKILL)
    _ = try await containers.runner.waitForExit("d")
  }

  @Test(arguments: [
    "/proc/self/fd/3", "/proc/self/fd/4", "/proc/self/fd/5", "/proc/self/fd/7", "/proc/1/cwd/../..",
  ])
  func workingDirectoryThroughADescriptor(path: String) async throws {
    // CVE-2024-21626: whatever happens, the payload is beneath its own root.
    do {
      let (_, output, _) = try await containers.run("c", ["sh", "-c", "readlink /proc/self/cwd; ls /etc"]) {
        $0.settings = [.changeDirectory(path)]
      }
      #expect(output == "/\nmotd\n")
    } catch let error as EngineError {
      #expect(error.message.contains("change directory to \(path)"))
    }
  }

  @Test func targetsAreResolvedBeneathTheRoot() async throws {
    let sentinel = containers.directory.appending("sentinel").string
    try FileManager.default.createDirectory(atPath: sentinel, withIntermediateDirectories: true)
    try link("escape", to: sentinel)
    try link("climb", to: "../../../../../../../../..\(sentinel)")
    let (record, output, _) = try await containers.run(
      "c", ["sh", "-c", "ls \(sentinel) && cat \(sentinel)/f"]
    ) {
      $0.mounts = [
        .makeDirectory(target: sentinel, mode: 0o755),
        .writeFile(target: "/escape/f", mode: 0o644, content: Array("inside".utf8)),
        .makeDirectory(target: "/climb/deep/er", mode: 0o700),
        .mount(type: "tmpfs", source: "", target: "/escape/m", attributes: [], options: []),
      ]
    }
    #expect(record.exitCode == 0)
    #expect(output == "deep\nf\nm\ninside")
    #expect(try FileManager.default.contentsOfDirectory(atPath: sentinel).isEmpty)
  }

  @Test func procAsALinkIsRefused() async throws {
    try link("proc", to: "/tmp")
    let message = try await startFails { _ in }
    #expect(message.contains("mount proc on /proc"))
  }

  @Test func sysctlIntoAnythingButProcfsIsRefused() async throws {
    let message = try await startFails {
      $0.mounts = [
        .mount(type: "tmpfs", source: "", target: "/proc", attributes: [], options: []),
        .writeFile(target: "/proc/sys/kernel/msgmax", mode: 0o644, content: []),
      ]
      $0.settings = [.sysctl(name: "kernel.msgmax", value: "1234")]
    }
    #expect(message.contains("set sysctl kernel.msgmax"))
    #expect(message.contains("/proc is not procfs"))
  }

  @Test func sysctlAndScoreAreSet() async throws {
    let (_, output, _) = try await containers.run(
      "c", ["sh", "-c", "cat /proc/sys/kernel/msgmax /proc/self/oom_score_adj; ulimit -n; umask"]
    ) {
      $0.settings = [
        .sysctl(name: "kernel.msgmax", value: "1234"), .setOOMScoreAdjust(321),
        .setResourceLimit(resource: 7, soft: 100, hard: 200), .setUmask(0o077),
      ]
    }
    #expect(output == "1234\n321\n100\n0077\n")
  }

  @Test func maskedAndReadOnlyPaths() async throws {
    let (record, output, _) = try await containers.run(
      "c",
      [
        "sh", "-c",
        """
        wc -c </proc/version; ls /proc/irq | wc -l; echo x >/proc/sys/kernel/msgmax || echo read-only; \
        touch /proc/irq/x || echo no-write; ls /missing 2>/dev/null || echo missing
        """,
      ]
    ) {
      $0.settings = [
        .maskPath("/proc/version"), .maskPath("/proc/irq"), .maskPath("/proc/fs"), .maskPath("/missing/path"),
        .readOnlyPath("/proc/sys"), .readOnlyPath("/missing"),
      ]
    }
    #expect(record.exitCode == 0)
    #expect(output == "0\n0\nread-only\nno-write\nmissing\n")
  }

  @Test func maskingWithAFalseNullDeviceIsRefused() async throws {
    // CVE-2025-31133: /dev/null a link to what is then bound writable over the masked path.
    let devices: [LaunchPlan.Operation] = [
      .makeSymlink(target: "/dev/null", content: "/proc/sys/kernel/core_pattern"),
      .makeNode(target: "/dev/null", mode: 0o20666, major: 1, minor: 5),
      .writeFile(target: "/dev/null", mode: 0o666, content: []),
    ]
    for device in devices where !(TestPlan.isRootless && device.isNode) {
      let message = try await startFails {
        $0.mounts = [.mount(type: "tmpfs", source: "", target: "/dev", attributes: [], options: []), device]
        $0.settings = [.maskPath("/proc/version")]
      }
      #expect(message.contains("mask /proc/version"))
    }
  }

  @Test func writtenFileReplacesALinkOrFIFO() async throws {
    try link("etc/hosts", to: "/etc/motd")
    mkfifo(containers.rootfs.appending("etc/resolv.conf").string, 0o644)
    let (_, output, _) = try await containers.run(
      "c", ["cat", "/etc/hosts", "/etc/resolv.conf", "/etc/motd"]
    ) {
      $0.mounts = [
        .writeFile(target: "/etc/hosts", mode: 0o644, content: Array("hosts\n".utf8)),
        .writeFile(target: "/etc/resolv.conf", mode: 0o644, content: Array("resolv\n".utf8)),
      ]
    }
    #expect(output == "hosts\nresolv\nnot a program\n")
  }

  @Test func bindsOfFilesAndDirectories() async throws {
    let host = containers.directory.appending("host")
    try FileManager.default.createDirectory(atPath: host.string, withIntermediateDirectories: true)
    try Data("shared".utf8).write(to: URL(fileURLWithPath: host.appending("f").string))
    let (record, output, _) = try await containers.run(
      "c", ["sh", "-c", "cat /data/f /etc/one; touch /data/g || echo ro; touch /rw/g && echo rw"]
    ) {
      $0.mounts = [
        .bind(
          source: host, target: "/data", recursive: true,
          attributes: TestPlan.isRootless ? [.readOnly] : [.readOnly, .noAccessTimes]),
        .bind(source: host.appending("f"), target: "/etc/one", recursive: false, attributes: [.readOnly]),
        .bind(source: host, target: "/rw", recursive: true, attributes: []),
      ]
    }
    #expect(record.exitCode == 0)
    #expect(output == "sharedsharedro\nrw\n")
    #expect(FileManager.default.fileExists(atPath: host.appending("g").string))
  }

  @Test func readOnlyRoot() async throws {
    let (_, output, _) = try await containers.run(
      "c", ["sh", "-c", "touch /x || echo ro; touch /dev/shm/x && echo shm"]
    ) {
      $0.settings = [.remountRootReadOnly]
    }
    #expect(output == "ro\nshm\n")
  }

  @Test func writableLayerIsTheContainersOwn() async throws {
    _ = try await containers.run("c", ["touch", "/etc/mine"])
    let (_, output, _) = try await containers.run("d", ["ls", "/etc"])
    #expect(output == "motd\n")
    #expect(FileManager.default.fileExists(atPath: containers.directory.appending("c/upper/etc/mine").string))
  }

  @Test func loopbackIsUpInAnEmptyNetwork() async throws {
    let (_, output, _) = try await containers.run("c", ["ip", "-o", "addr"]) {
      $0.settings = [.setLoopbackUp]
    }
    #expect(output.contains("127.0.0.1/8"))
    #expect(output.split(separator: "\n").allSatisfy { $0.contains(" lo ") })
  }

  @Test func seccompAndNoNewPrivileges() async throws {
    // return errno(EPERM) for mkdir (83) and mkdirat (258), allow the rest.
    func instruction(_ code: UInt16, _ yes: UInt8, _ no: UInt8, _ value: UInt32) -> [UInt8] {
      withUnsafeBytes(of: code) { Array($0) } + [yes, no] + withUnsafeBytes(of: value) { Array($0) }
    }
    let program =
      instruction(0x20, 0, 0, 0) + instruction(0x15, 1, 0, 83) + instruction(0x15, 0, 1, 258)
      + instruction(0x06, 0, 0, 0x0005_0001) + instruction(0x06, 0, 0, 0x7FFF_0000)
    let (_, output, errors) = try await containers.run(
      "c", ["sh", "-c", "grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status; mkdir /tmp/x"]
    ) { $0.settings = [.setNoNewPrivileges, .loadSeccomp(program: program)] }
    #expect(output == "NoNewPrivs:\t1\nSeccomp:\t2\n")
    #expect(errors.contains("not permitted"))
  }
}

extension LaunchPlan.Operation {
  fileprivate var isNode: Bool { if case .makeNode = self { true } else { false } }
}
