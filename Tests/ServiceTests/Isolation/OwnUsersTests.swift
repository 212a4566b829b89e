import Foundation
import LinuxSystem
import RPCModel
import SystemPackage
import TestSupport
import Testing

/// What goes together with `userns: auto`, and what it keeps a container from.
@Suite("With user ids of its own, a container", .requires(.root))
struct OwnUsersTests {
  /// The host's id of a container's root.
  private func firstID(_ service: TestService, _ container: String) async throws -> Int {
    let pid = try await service.send(ContainerInspect.self, .init(container: container)).container.pid
    let map = try String(contentsOfFile: "/proc/\(try #require(pid))/uid_map", encoding: .utf8)
    return try #require(map.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) })
  }

  /// The host's ids of a process: real, effective, saved, and of file accesses.
  private func users(_ pid: Int) throws -> [Int] {
    let status = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
    let line = status.split(separator: "\n").first { $0.hasPrefix("Uid:") }
    return try #require(line).split(separator: "\t").compactMap { Int($0) }
  }

  @Test(
    "gains its own root by a set-user-id program and never the host's, and nothing where it may gain nothing")
  func setUserID() async throws {
    // A program that busybox would not drop the privilege of, with what it is linked to.
    let install =
      "cp -L /bin/cat bin/suid; chmod 4755 bin/suid; for f in $(ldd /bin/cat | grep -o '/[^ ]*'); do mkdir -p .$(dirname $f); cp -L $f .$f; done; echo secret > secret; chmod 600 secret"
    try await withBusybox(.root, install) { store, service in
      let shared = store.directory.appending("shared")
      let made = try await ChildProcess.run([
        "sh", "-ec",
        "mkdir \(shared); chmod 755 \(shared); cp -L /bin/cat \(shared)/suid; chmod 4755 \(shared)/suid; echo host > \(shared)/secret; chmod 600 \(shared)/secret",
      ])
      #expect(made.succeeded)
      for (name, gainsNothing) in [("usual", false), ("strict", true)] {
        _ = try await service.send(
          ContainerRun.self,
          .init(
            image: "busybox:1", name: name, command: ["sleep", "1000"], noNewPrivileges: gainsNothing,
            mounts: [
              .init(kind: .bind, target: "/plain", source: shared.string),
              .init(kind: .bind, target: "/mapped", source: shared.string, idmapped: true),
            ], userNamespace: .auto, detach: true))
        let first = try await firstID(service, name)
        let inside = try await service.exec(name, ["/bin/suid", "/secret"], user: "1000")
        #expect(inside.stdout == (gainsNothing ? "" : "secret\n"))
        // The host's own root is nobody in it, so its program is nobody's either.
        let plain = try await service.exec(name, ["/plain/suid", "/plain/secret"], user: "1000")
        #expect(plain.stdout == "" && plain.exit.code != 0)
        let root = try await service.exec(name, ["cat", "/plain/secret"])
        #expect(root.stdout == "" && root.exit.code != 0)
        for (program, gains) in [("/bin/suid", true), ("/mapped/suid", true), ("/plain/suid", false)] {
          let held = service.process.connection.sender()
          let reading = Task {
            try await service.send(
              ContainerExec.self,
              .init(container: name, command: [program, "-"], user: "1000", stdin: held.id))
          }
          let processes = try await eventually(describing: "\(program) runs in \(name)") {
            try await service.send(ContainerTop.self, .init(container: name)).processes
          } until: {
            $0.contains { $0.command.first == program }
          }
          let pid = try #require(processes.first { $0.command.first == program }?.pid)
          let gained = gains && !gainsNothing ? first : first + 1000
          #expect(try users(pid) == [first + 1000, gained, gained, gained], "\(program) in \(name)")
          reading.cancel()
          _ = await reading.result
        }
        _ = try await service.send(ContainerRemove.self, .init(container: name, force: true))
      }
      #expect(await service.stop() == 0)
    }
  }

  @Test("may be in the host's network or another container's, and has no rights there")
  func networks() async throws {
    try await withBusybox(.root) { _, service in
      _ = try await service.send(
        ContainerRun.self,
        .init(
          image: "busybox:1", name: "other", command: ["sleep", "1000"], network: NetworkMode.none,
          detach: true))
      let other = try await service.exec("other", ["busybox", "readlink", "/proc/self/ns/net"]).stdout
      let host = try await ChildProcess.run(["readlink", "/proc/self/ns/net"]).text
      let look = [
        "sh", "-c",
        "busybox readlink /proc/self/ns/net; busybox cat /proc/self/uid_map | wc -l; busybox ip link set lo mtu 1400 2>/dev/null || echo no; busybox ip link add d type dummy 2>/dev/null || echo no; echo 1 > /proc/sys/net/ipv4/ip_forward || echo no; touch /sys/class/net/x 2>/dev/null || echo no; ls -d /sys/class/net/lo",
      ]
      for (mode, container, namespace) in [
        (NetworkMode.host, String?.none, host), (.container, "other", other),
      ] {
        let ran = try await service.run(look) {
          $0.userNamespace = .auto
          $0.network = mode
          $0.networkContainer = container
          $0.addedCapabilities = ["NET_ADMIN"]
        }
        #expect(ran.stdout == "\(namespace)1\nno\nno\nno\nno\n/sys/class/net/lo\n", "\(mode): \(ran.stdout)")
      }
      _ = try await service.send(ContainerRemove.self, .init(container: "other", force: true))
      #expect(await service.stop() == 0)
    }
  }

  @Test("takes files in and gives them out with its own ids, running or not")
  func copies() async throws {
    try await withBusybox(.root) { store, service in
      _ = try await service.send(
        ContainerRun.self,
        .init(
          image: "busybox:1", name: "c", command: ["sleep", "1000"], userNamespace: .auto, detach: true))
      let source = store.directory.appending("mine")
      try source.write("mine\n".utf8)
      _ = try await ChildProcess.run(["chown", "1000:1000", source.string])
      for isRunning in [true, false] {
        let suffix = isRunning ? "running" : "stopped"
        _ = try await service.send(
          ContainerCopyTo.self, .init(container: "c", target: "/tmp/\(suffix)", path: source.string))
        _ = try await service.send(
          ContainerCopyTo.self,
          .init(
            container: "c", target: "/tmp/\(suffix)-kept", path: source.string, ownership: .init(keeps: true))
        )
        if isRunning {
          _ = try await service.exec("c", ["sh", "-c", "echo own > /tmp/own; busybox chown 7:8 /tmp/own"])
          _ = try await service.send(ContainerStop.self, .init(container: "c", timeoutMs: 0))
        }
      }
      for isRunning in [false, true] {
        if isRunning { _ = try await service.send(ContainerStart.self, .init(container: "c")) }
        for (name, owner) in [
          ("running", "0:0"), ("running-kept", "1000:1000"), ("stopped", "0:0"),
          ("stopped-kept", "1000:1000"),
          ("own", "7:8"),
        ] {
          if isRunning {
            let inside = try await service.exec("c", ["busybox", "stat", "-c", "%u:%g", "/tmp/\(name)"])
              .stdout
            #expect(inside == "\(owner)\n", "\(name)")
          }
          let target = store.directory.appending("\(name)-\(isRunning)")
          _ = try await service.send(
            ContainerCopyFrom.self,
            .init(
              container: "c", source: "/tmp/\(name)", path: target.string, ownership: .init(keeps: true)))
          let outside = try await ChildProcess.run(["stat", "-c", "%u:%g", target.string]).text
          #expect(outside == "\(owner)\n", "\(name)")
        }
      }
      _ = try await service.send(ContainerRemove.self, .init(container: "c", force: true))
      #expect(await service.stop() == 0)
    }
  }

  @Test("has limits that it cannot change", .enabled(if: makesGroups))
  func limits() async throws {
    try await withBusybox(.root) { _, service in
      _ = try await service.send(
        ContainerRun.self,
        .init(
          image: "busybox:1", name: "c", command: ["sleep", "1000"],
          limits: .init(memoryBytes: 64 << 20, processes: 6), userNamespace: .auto, detach: true))
      let forks = try await service.exec(
        "c", ["sh", "-c", "for n in 1 2 3 4 5 6 7; do sleep 1000 > /dev/null 2>&1 & done; sleep 1000"])
      #expect(forks.exit.code != 0)
      _ = try await service.send(ContainerUpdate.self, .init(container: "c", limits: .init(processes: 20)))
      let more = try await service.exec(
        "c",
        [
          "sh", "-c",
          "for f in $(busybox find /sys/fs/cgroup -name pids.max -o -name memory.limit_in_bytes -o -name memory.max); do echo max > $f; done 2>/dev/null; echo tried",
        ])
      #expect(more.stdout == "tried\n")
      let sample = try await service.send(ContainerStats.self, .init(containers: ["c"])).stats.first
      #expect(sample?.processLimit == 20 && sample?.memoryLimitBytes == 64 << 20)
      let error = await #expect(throws: RPCError.self) {
        try await service.run(["true"]) {
          $0.userNamespace = .auto
          $0.limits = .init(cpuSet: "4096")
        }
      }
      #expect(error?.data?.kind == .invalidArgument)
      _ = try await service.send(ContainerRemove.self, .init(container: "c", force: true))
      #expect(await service.stop() == 0)
    }
  }
}

private let makesGroups =
  geteuid() == 0
  && ["cgroup.controllers", "freezer/cgroup.procs"].contains {
    FileManager.default.fileExists(atPath: "/sys/fs/cgroup/\($0)")
  }
