import Foundation
import Glibc
import RPCModel
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
