import Foundation
import Glibc
import RPCModel
import SystemPackage
import TestSupport
import Testing

/// Root in a container, without a user namespace of its own, is root to every device of the machine whose node it can reach.
@Suite("Device nodes that nobody gave to a container")
struct DeviceNodeTests {
  @Test("neither those of an image nor those that it would make itself are of use", .requires(.root))
  func noUse() async throws {
    // The kernel's log, which root may read.
    try await withBusybox(.root, "mknod kmsg c 1 11; chmod 666 kmsg") { _, service in
      let output = try await service.run([
        "sh", "-c",
        """
        ls /kmsg; cat /kmsg > /dev/null && echo read
        busybox mknod /dev/made c 1 11 || echo none; busybox mknod /made c 1 11 || echo none
        busybox head -c 1 /dev/zero | wc -c
        """,
      ])
      #expect(output.stdout == "/kmsg\nnone\nnone\n1\n")
      #expect(output.stderr.contains("'/kmsg': Permission denied"))
    }
  }

  /// A device that anybody may open for anything, and that no container has.
  ///
  /// - Parameter directory: where its node is made, where the machine has none.
  private func device(in directory: FilePath) async throws -> String {
    let usual = "/dev/net/tun"
    if FileManager.default.fileExists(atPath: usual) { return usual }
    let node = directory.appending("device").string
    let made = try await ChildProcess.run([
      "sh", "-ec", "n=$(awk '$2 == \"vga_arbiter\" { print $1 }' /proc/misc); mknod $0 c 10 $n; chmod 666 $0",
      node,
    ])
    #expect(made.succeeded, "\(made.errorText)")
    return node
  }

  @Test(
    "of a device only that may be done that was said, by its node, bound elsewhere, and with users of its own",
    .requires(.root))
  func access() async throws {
    try await withBusybox(.root) { store, service in
      let device = try await device(in: store.directory)
      let script = """
        for way in '<' '>' '<>'; do
          sh -c "exec 3$way$0" 2> /dev/null && echo -n "$way " || echo -n 'no '
        done
        echo x > /dev/null && busybox head -c 1 /dev/zero | wc -c
        """
      // The guest's kernel cannot map the ids of layers.
      for (target, users) in [
        ("/dev/tunnel", UserNamespaceMode.host), ("/srv/tunnel", .host), ("/dev/tunnel", .auto),
      ] where users == .host || device == "/dev/net/tun" {
        for (access, said) in [
          ("r", "< no no "), ("w", "no > no "), ("rw", "< > <> "), ("m", "no no no "), (nil, "< > <> "),
        ] {
          let output = try await service.run(["sh", "-c", script, target]) {
            $0.devices = [.init(path: device, target: target, access: access)]
            $0.userNamespace = users
          }
          #expect(
            output.stdout == said + "1\n", "\(target) \(users) \(access ?? "without"): \(output.stderr)")
        }
      }
      // A limit that is changed changes nothing of that, nor does another start.
      _ = try await service.send(
        ContainerRun.self,
        .init(
          image: "busybox:1", name: "reads", command: ["sleep", "1000"],
          devices: [.init(path: device, target: "/dev/some", access: "r")], detach: true))
      _ = try await service.send(
        ContainerUpdate.self, .init(container: "reads", limits: .init(processes: 50)))
      for _ in 0..<2 {
        let output = try await service.exec("reads", ["sh", "-c", script, "/dev/some"]).stdout
        #expect(output == "< no no 1\n")
        _ = try await service.send(ContainerRestart.self, .init(container: "reads", timeoutMs: 0))
      }
      _ = try await service.send(ContainerRemove.self, .init(container: "reads", force: true))
    }
  }

  @Test(
    "who has no group that can say what may be done with a device is refused",
    .enabled(if: Account.available.contains(.ordinary)))
  func unsaid() async throws {
    try await withBusybox(.ordinary) { _, service in
      let error = await #expect(throws: RPCError.self) {
        try await service.run(["true"]) {
          $0.devices = [.init(path: "/dev/zero", target: "/dev/some", access: "r")]
        }
      }
      #expect(error?.data?.kind == .unsupported && error?.data?.hint != nil)
    }
  }

  @Test(
    "with MKNOD, a node is made and refused to be opened, by v1's controller or v2's program",
    .requires(.root))
  func withMknod() async throws {
    try await withBusybox(.root) { _, service in
      let started = try await service.send(
        ContainerRun.self,
        .init(
          image: "busybox:1", name: "nodes", command: ["sleep", "1000"], addedCapabilities: ["MKNOD"],
          detach: true))
      #expect(started.warnings == nil)
      let script = """
        busybox mknod /dev/log1 c 1 11 && busybox mknod /dev/zero1 c 1 5
        busybox head -c 1 /dev/log1 > /dev/null 2>&1 && echo read || echo refused
        busybox head -c 1 /dev/zero1 | wc -c
        """
      let output = try await service.exec("nodes", ["sh", "-c", script]).stdout
      #expect(output == "refused\n1\n")
      // They stay when the limits change.
      _ = try await service.send(
        ContainerUpdate.self, .init(container: "nodes", limits: .init(processes: 50)))
      _ = try await service.send(ContainerStop.self, .init(container: "nodes", timeoutMs: 0))
      _ = try await service.send(ContainerStart.self, .init(container: "nodes"))
      let again = try await service.exec("nodes", ["sh", "-c", script]).stdout
      #expect(again == "refused\n1\n")
      _ = try await service.send(ContainerRemove.self, .init(container: "nodes", force: true))
    }
  }
}
