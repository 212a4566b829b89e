import Foundation
import RPCModel
import TestSupport
import Testing

@Suite("User ids of a container's own")
struct UserNamespaceTests {
  @Test(
    "root inside is nobody outside, two containers share no id, and files keep root's ids on the disk",
    .requires(.root))
  func auto() async throws {
    try await withBusybox(.root, "cp bin/busybox bin/suid; chmod 4755 bin/suid") {
      store, service in
      var maps: [UInt32] = []
      for name in ["first", "second"] {
        let container = try await service.send(
          ContainerRun.self,
          .init(
            image: "busybox:1", name: name, command: ["sh", "-c", "echo x > /made; sleep 1000"],
            userNamespace: .auto, detach: true)
        ).container
        let pid = try #require(container.pid)
        let map = try String(contentsOfFile: "/proc/\(pid)/uid_map", encoding: .utf8)
        let numbers = map.split(whereSeparator: \.isWhitespace).compactMap { UInt32($0) }
        #expect(numbers.count == 3 && numbers[0] == 0 && numbers[1] >= 65536 && numbers[2] == 65536)
        maps.append(numbers[1])
        let status = try await ChildProcess.run(["stat", "-c", "%u %g", "/proc/\(pid)"]).text
        #expect(status == "\(numbers[1]) \(numbers[1])\n")
      }
      #expect(maps[0] + 65536 <= maps[1] || maps[1] + 65536 <= maps[0])
      let inside = try await service.exec(
        "first",
        [
          "sh", "-c",
          "id -u; busybox stat -c '%u:%g' / /bin/busybox /made /etc/hosts /proc/1 /dev/shm; touch /tmp/t; busybox chown 7:8 /tmp/t; busybox stat -c '%u:%g' /tmp/t; echo out > /dev/stdout; busybox mount -t tmpfs x /tmp 2>/dev/null || echo no; rm -r /home && echo gone",
        ])
      #expect(
        inside.stdout == "0\n0:0\n0:0\n0:0\n0:0\n0:0\n0:0\n7:8\nout\nno\ngone\n", "\(inside.stdout)")
      // A set-user-id program is so of the container's root.
      let program = try await service.exec(
        "first", ["busybox", "stat", "-c", "%a %u", "/bin/suid"], user: "1000")
      #expect(program.stdout == "4755 0\n", "\(program.stdout)")
      let details = try await service.send(ContainerInspect.self, .init(container: "first"))
      let made = try await ChildProcess.run(
        ["stat", "-c", "%u:%g", "\(details.upperDirectory)/made", "\(details.upperDirectory)/tmp/t"])
      #expect(made.text == "0:0\n7:8\n")
      let changes = try await service.send(ContainerDiff.self, .init(container: "first")).changes
      #expect(changes.contains { $0.path == "/made" && $0.kind == .added })
      #expect(changes.contains { $0.path == "/home" && $0.kind == .deleted })
      _ = try await service.send(
        ContainerCommit.self, .init(container: "first", reference: "committed:1"))
      #expect(
        try await service.run("committed:1", ["busybox", "stat", "-c", "%u:%g", "/made", "/tmp/t"]).stdout
          == "0:0\n7:8\n")
      for name in ["first", "second"] {
        _ = try await service.send(ContainerRemove.self, .init(container: name, force: true))
      }
      #expect(await service.stop() == 0)
    }
  }

  @Test("binds with the host's ids and with mapped ones, a terminal, another start", .requires(.root))
  func binds() async throws {
    try await withBusybox(.root) { store, service in
      let shared = store.directory.appending("shared")
      let made = try await ChildProcess.run([
        "sh", "-ec",
        "mkdir \(shared); echo x > \(shared)/root; echo y > \(shared)/user; chown 1000:1000 \(shared)/user",
      ])
      #expect(made.succeeded)
      let container = try await service.send(
        ContainerCreate.self,
        .init(
          image: "busybox:1",
          command: [
            "sh", "-c",
            "busybox stat -c '%u' /plain/root /mapped/root /mapped/user; touch /mapped/new; touch /plain/new || echo denied",
          ],
          mounts: [
            .init(kind: .bind, target: "/plain", source: shared.string),
            .init(kind: .bind, target: "/mapped", source: shared.string, idmapped: true),
          ], userNamespace: .auto)
      ).container
      for _ in 0..<2 {
        _ = try await service.send(ContainerStart.self, .init(container: container.id))
        _ = try await service.send(ContainerWait.self, .init(container: container.id))
      }
      let log = try await service.logs(container.id)
      #expect(log == String(repeating: "65534\n0\n1000\ndenied\n", count: 2))
      #expect(try await ChildProcess.run(["stat", "-c", "%u", "\(shared)/new"]).text == "0\n")
      let refused = await #expect(throws: RPCError.self) {
        _ = try await service.run(["true"]) {
          $0.userNamespace = .auto
          $0.pidNamespace = .init(mode: .host)
        }
      }
      #expect(refused?.data?.kind == .invalidArgument)
      #expect(await service.stop() == 0)
    }
  }

  @Test("an ordinary user has no ids to give away", .enabled(if: Account.available.contains(.ordinary)))
  func ordinary() async throws {
    try await withBusybox(.ordinary) { store, service in
      let auto = await #expect(throws: RPCError.self) {
        _ = try await service.run(["true"]) { $0.userNamespace = .auto }
      }
      #expect(auto?.data?.kind == .unsupported)
      let mapped = await #expect(throws: RPCError.self) {
        _ = try await service.run(["true"]) {
          $0.mounts = [.init(kind: .bind, target: "/x", source: store.directory.string, idmapped: true)]
        }
      }
      #expect(mapped?.data?.kind == .unsupported)
      #expect(await service.stop() == 0)
    }
  }

  @Test(
    "mounts that the host makes later are seen in the container, and the other way round", .requires(.root))
  func propagation() async throws {
    try await withBusybox(.root) { store, service in
      let shared = store.directory.appending("shared")
      let prepared = try await ChildProcess.run([
        "sh", "-ec",
        "mkdir \(shared); mount -t tmpfs tmpfs \(shared); mount --make-shared \(shared); mkdir \(shared)/late \(shared)/mine",
      ])
      #expect(prepared.succeeded)
      _ = try await service.send(
        ContainerRun.self,
        .init(
          image: "busybox:1", name: "c", command: ["sleep", "1000"],
          mounts: [
            .init(kind: .bind, target: "/slave", source: shared.string, propagation: .slave),
            .init(kind: .bind, target: "/private", source: shared.string),
            .init(kind: .bind, target: "/shared", source: shared.string, propagation: .shared),
          ], addedCapabilities: ["SYS_ADMIN"], seccomp: .init(mode: .unconfined), detach: true))
      _ = try await ChildProcess.run([
        "sh", "-ec", "mount -t tmpfs tmpfs \(shared)/late; touch \(shared)/late/file",
      ])
      let seen = try await service.exec(
        "c",
        [
          "sh", "-c",
          "ls /slave/late /shared/late /private/late; busybox mount -t tmpfs x /shared/mine && touch /shared/mine/x",
        ]
      ).stdout
      #expect(seen == "/private/late:\n\n/shared/late:\nfile\n\n/slave/late:\nfile\n")
      #expect(try await ChildProcess.run(["ls", "\(shared)/mine"]).text == "x\n")
      _ = try await service.send(ContainerRemove.self, .init(container: "c", force: true))
      _ = try await ChildProcess.run(["umount", "-R", "-l", shared.string])
      #expect(await service.stop() == 0)
    }
  }
}
