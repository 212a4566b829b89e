import RPCModel
import TestSupport
import Testing

@Suite("What a container may do")
struct RightsTests {
  private func failure(
    _ service: TestService, _ change: @escaping @Sendable (inout ContainerRun.Params) -> Void
  ) async throws -> RPCError? {
    await #expect(throws: RPCError.self) { _ = try await service.run(["true"], change) }
  }

  private func refusal(
    _ service: TestService, _ change: @escaping @Sendable (inout ContainerRun.Params) -> Void
  ) async throws -> RPCModel.ErrorKind? { try await failure(service, change)?.data?.kind }

  /// The line of /proc/self/status.
  private func status(
    _ service: TestService, _ field: String, _ change: (inout ContainerRun.Params) -> Void = { _ in }
  ) async throws -> String {
    let output = try await service.run(
      ["sh", "-c", "while read a b; do test $a = \(field): && echo $b; done < /proc/self/status; true"],
      change)
    return output.stdout.trimmingSuffix { $0 == "\n" }
  }

  @Test("capabilities are added and dropped, by either name, and ALL", arguments: Account.available)
  func capabilities(account: Account) async throws {
    try await withBusybox(account) { _, service in
      for field in ["CapBnd", "CapPrm", "CapEff"] {
        #expect(
          try await status(service, field) {
            $0.addedCapabilities = ["NET_ADMIN", "cap_sys_time"]
            $0.droppedCapabilities = ["CAP_CHOWN", "mknod"]
          } == "00000000a20435fa")
      }
      #expect(try await status(service, "CapEff") { $0.droppedCapabilities = ["ALL"] } == "0000000000000000")
      #expect(
        try await status(service, "CapEff") {
          $0.droppedCapabilities = ["ALL"]
          $0.addedCapabilities = ["CHOWN"]
        } == "0000000000000001")
      let most = try await status(service, "CapBnd") {
        $0.addedCapabilities = ["ALL"]
        $0.droppedCapabilities = ["SYS_ADMIN"]
      }
      let mask = try #require(UInt64(most, radix: 16))
      #expect(mask & (1 << 21) == 0 && mask & (1 << 12) != 0)
      // None of them are inherited, not by exec either, and another user has none (CVE-2022-24769, CVE-2022-29162).
      for field in ["CapInh", "CapAmb"] {
        #expect(try await status(service, field) { $0.addedCapabilities = ["ALL"] } == "0000000000000000")
      }
      #expect(
        try await status(service, "CapEff") {
          $0.addedCapabilities = ["ALL"]
          $0.user = "user"
        } == "0000000000000000")
      _ = try await service.send(
        ContainerRun.self,
        .init(
          image: "busybox:1", name: "c", command: ["sleep", "1000"], addedCapabilities: ["NET_ADMIN"],
          detach: true))
      let inside = try await service.exec("c", ["head", "-n", "60", "/proc/self/status"]).stdout
      #expect(inside.contains("CapInh:\t0000000000000000") && inside.contains("CapAmb:\t0000000000000000"))
      #expect(inside.contains("CapEff:\t00000000a00435fb"))
      let error = try await failure(service) { $0.addedCapabilities = ["NET_ADMN"] }
      #expect(error?.data?.kind == .invalidArgument)
      #expect(error?.data?.hint?.contains("CAP_NET_ADMIN") == true)
      _ = try await service.send(ContainerRemove.self, .init(container: "c", force: true))
      #expect(await service.stop() == 0)
    }
  }

  @Test("kernel parameters of its own namespaces, and no others", arguments: Account.available)
  func sysctls(account: Account) async throws {
    try await withBusybox(account) { _, service in
      let set = try await service.run([
        "cat", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/kernel/msgmax",
        "/proc/sys/fs/mqueue/msg_max",
      ]) {
        $0.sysctls = [
          "net.ipv4.ip_forward": "1", "kernel.msgmax": "1234",
          "fs/mqueue/msg_max": "7",
        ]
      }
      #expect(set.stdout == "1\n1234\n7\n")
      for name in [
        "kernel.core_pattern", "vm.overcommit_memory", "fs.file-max", "net/../kernel/core_pattern", "net", "",
        "kernel.msgmax/../core_pattern", "net..ipv4", "/net/ipv4/ip_forward",
      ] {
        let error = try await failure(service) { $0.sysctls = [name: "1"] }
        #expect(error?.data?.kind == .invalidArgument, "\(name)")
      }
      let shared = try await failure(service) {
        $0.network = .host
        $0.sysctls = ["net.ipv4.ip_forward": "1"]
      }
      #expect(shared?.data?.kind == .invalidArgument)
      #expect(shared?.message.contains("host") == true)
      #expect(await service.stop() == 0)
    }
  }

  @Test("groups besides the user's, by name and number", arguments: Account.available)
  func groups(account: Account) async throws {
    try await withBusybox(account) { _, service in
      #expect(
        try await service.run(["id", "-G"]) {
          $0.user = "user"
          $0.addedGroups = ["staff", "77"]
        }.stdout == "1000 50 77\n")
      #expect(
        try await service.run(["id", "-G"]) {
          $0.user = "1000:50"
          $0.addedGroups = ["user"]
        }.stdout == "50 1000\n")
      let kind1 = try await refusal(service) { $0.addedGroups = ["nope"] }
      #expect(kind1 == .notFound)
      let kind2 = try await refusal(service) { $0.addedGroups = ["4294967296"] }
      #expect(kind2 == .invalidArgument)
      #expect(await service.stop() == 0)
    }
  }

  @Test("read-only root, other masked and read-only paths", arguments: Account.available)
  func paths(account: Account) async throws {
    try await withBusybox(account) { _, service in
      let output = try await service.run([
        "sh", "-c",
        "touch /x || echo ro; touch /dev/shm/x && echo shm; wc -c < /etc/passwd; busybox grep -c /proc/sys /proc/mounts; touch /tmp/x || echo tmp; pwd",
      ]) {
        $0.readOnlyRoot = true
        $0.workingDirectory = "/made/here"
        $0.maskedPaths = ["/etc/passwd"]
        $0.readOnlyPaths = ["/tmp"]
      }
      #expect(output.stdout == "ro\nshm\n0\n0\ntmp\n/made/here\n")
      let kind3 = try await refusal(service) { $0.maskedPaths = ["x"] }
      #expect(kind3 == .invalidArgument)
      #expect(await service.stop() == 0)
    }
  }

  private static let ociProfile = """
    {"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_AARCH64"],
     "syscalls":[{"names":["mkdir","mkdirat","no_such_call"],"action":"SCMP_ACT_ERRNO","errnoRet":13}]}
    """
  private static let dockerProfile = """
    {"defaultAction":"SCMP_ACT_ALLOW","defaultErrnoRet":1,
     "archMap":[{"architecture":"SCMP_ARCH_X86_64","subArchitectures":["SCMP_ARCH_X86","SCMP_ARCH_X32"]}],
     "syscalls":[
      {"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","includes":{"caps":["CAP_NET_ADMIN"]},"excludes":{}},
      {"names":["rmdir","unlinkat"],"action":"SCMP_ACT_ERRNO","includes":{},"excludes":{"caps":["CAP_CHOWN"]}},
      {"names":["symlink","symlinkat"],"action":"SCMP_ACT_ERRNO","includes":{"arches":["sparc"],"minKernel":"4.8"}},
      {"names":["getcwd"],"action":"SCMP_ACT_ERRNO","includes":{"minKernel":"99.0"}}]}
    """
  private static let tries =
    "mkdir /a && echo made; busybox rmdir /tmp && echo gone; ln -s x /l && echo linked; pwd"
  private static let badProfiles: [(text: String, word: String)] = [
    ("{", "JSON"), ("{}", "defaultAction"), (#"{"defaultAction":"SCMP_ACT_NONE"}"#, "SCMP_ACT_NONE"),
    (#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":[],"action":"SCMP_ACT_ERRNO"}]}"#, "names no"),
    (#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir"]}]}"#, "action"),
    (
      #"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["a"],"action":"SCMP_ACT_LOG","args":[{"index":9,"op":"SCMP_CMP_EQ","value":1}]}]}"#,
      "SCMP_CMP_EQ"
    ), (String(repeating: " ", count: (1 << 20) + 1), "larger"),
  ]

  @Test("seccomp: none, OCI's form and Docker's", arguments: Account.available)
  func seccomp(account: Account) async throws {
    try await withBusybox(account) { _, service in
      let unconfined = try await status(service, "Seccomp") { $0.seccomp = .init(mode: .unconfined) }
      #expect(unconfined == "0")
      let refused = try await service.run([
        "sh", "-c", "mkdir /new; ls -d /new; busybox grep Seccomp /proc/self/status",
      ]) {
        $0.seccomp = .init(mode: .custom, profile: Self.ociProfile)
      }
      #expect(refused.stderr.contains("Permission denied"), "\(refused)")
      #expect(
        try await service.run(["sh", "-c", Self.tries]) {
          $0.seccomp = .init(mode: .custom, profile: Self.dockerProfile)
        }
        .stdout == "made\ngone\nlinked\n/\n")
      #expect(
        try await service.run(["sh", "-c", Self.tries]) {
          $0.seccomp = .init(mode: .custom, profile: Self.dockerProfile)
          $0.addedCapabilities = ["NET_ADMIN"]
          $0.droppedCapabilities = ["CHOWN"]
        }.stdout == "linked\n/\n")
      #expect(await service.stop() == 0)
    }
  }

  @Test("a profile that is none says what is wrong with it")
  func badSeccomp() async throws {
    let account = try #require(Account.available.first)
    try await withBusybox(account) { _, service in
      for (text, word) in Self.badProfiles {
        let error = try await failure(service) { $0.seccomp = .init(mode: .custom, profile: text) }
        let said = error.map { "\($0.data?.kind as Any) \($0.message) \($0.data?.causes ?? [])" } ?? ""
        #expect(said.contains("invalidArgument") && said.contains(word), "\(said)")
      }
      #expect(await service.stop() == 0)
    }
  }

  @Test("privileged: all capabilities, the host's devices, nothing masked", arguments: Account.available)
  func privileged(account: Account) async throws {
    try await withBusybox(account) { _, service in
      let output = try await service.run([
        "sh", "-c",
        "head -n 60 /proc/self/status; wc -c < /proc/timer_list > /dev/null && echo unmasked; ls /dev/net/tun; echo x > /proc/sys/kernel/domainname; cat /proc/sys/kernel/domainname; dd if=/dev/net/tun count=0 && echo opened",
      ]) { $0.privileged = true }.stdout
      #expect(output.contains("Seccomp:\t0"))
      let line = try #require(output.split(separator: "\n").first { $0.hasPrefix("CapEff:") })
      let mask = try #require(UInt64(line.dropFirst("CapEff:\t".count), radix: 16))
      #expect(mask & (1 << 21) != 0 && mask & (1 << 12) != 0)
      if account == .root { #expect(output.contains("unmasked\n/dev/net/tun\nx\n")) }
      #expect(await service.stop() == 0)
    }
  }

  @Test("devices of the host's, by node and by directory", arguments: Account.available)
  func devices(account: Account) async throws {
    try await withBusybox(account) { _, service in
      let output = try await service.run([
        "sh", "-c",
        "ls -ln /dev/nil | head -c 10; echo; dd if=/dev/nil count=1 2>/dev/null | wc -c; ls /dev/net2",
      ]) {
        $0.devices = [
          .init(path: "/dev/zero", target: "/dev/nil"), .init(path: "/dev/net", target: "/dev/net2"),
        ]
      }
      #expect(output.stdout == "crw-rw-rw-\n512\ntun\n")
      for (path, kind) in [
        ("/dev/nope", RPCModel.ErrorKind.notFound), ("/etc/passwd", .invalidArgument),
        ("x", .invalidArgument),
        ("/etc", .invalidArgument),
      ] {
        let kind4 = try await refusal(service) { $0.devices = [.init(path: path)] }
        #expect(kind4 == kind, "\(path)")
      }
      let kind5 = try await refusal(service) { $0.devices = [.init(path: "/dev/zero", access: "x")] }
      #expect(
        kind5
          == .invalidArgument)
      #expect(await service.stop() == 0)
    }
  }
}

extension String {
  fileprivate func trimmingSuffix(_ isTrimmed: (Character) -> Bool) -> String {
    String(reversed().drop(while: isTrimmed).reversed())
  }
}
