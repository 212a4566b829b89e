import Foundation
import SystemPackage
import TestSupport
import Testing

/// A pod's life as a kubelet goes through it. The numbers are those of the fields in cri-api's api.proto.
@Suite("A Kubernetes node's pods, with coracle-runtime under containerd", .requires(.root))
struct NodeTests {
  private typealias Message = ProtobufMessage

  /// In the host's network, for there are no plugins that would make another.
  private func pod(_ node: ContainerdNode, group: String) -> ProtobufMessage {
    let namespaces = Message().number(1, 2).number(2, 1)  // network: NODE, pid: CONTAINER
    let linux = Message().text(1, group).message(2, Message().message(1, namespaces))
    return Message()
      .message(1, Message().text(1, "pod").text(2, "uid-1").text(3, "default"))
      .text(2, "podhost").text(3, node.directory.appending("logs").string).message(8, linux)
  }

  private func container(_ name: String, _ script: String, _ linux: ProtobufMessage = .init())
    -> ProtobufMessage
  {
    Message()
      .message(1, Message().text(1, name)).message(2, Message().text(1, ContainerdNode.image))
      .text(3, "sh").text(4, "-c", script).text(11, "\(name).log").message(15, linux)
  }

  private func start(
    _ node: ContainerdNode, _ sandbox: String, _ pod: ProtobufMessage, _ container: ProtobufMessage
  ) async throws -> String {
    let request = Message().text(1, sandbox).message(2, container).message(3, pod)
    let id = try await node.call("CreateContainer", request).text(1)
    _ = try await node.call("StartContainer", Message().text(1, id))
    return id
  }

  private func exec(_ node: ContainerdNode, _ container: String, _ script: String) async throws -> (
    String, Int
  ) {
    let answer = try await node.call(
      "ExecSync", Message().text(1, container).text(2, "sh").text(2, "-c").text(2, script))
    return (answer.text(1), answer.number(3))
  }

  private func status(_ node: ContainerdNode, _ container: String) async throws -> ProtobufMessage {
    let answer = try await node.call("ContainerStatus", Message().text(1, container))
    return try #require(answer.messages(1).first)
  }

  @Test("a sandbox, containers in it with limits and rights, exec, update, logs, stop, and nothing left")
  func pod() async throws {
    try await ContainerdNode.with { node in
      let group = "/coracle-test-\(UInt32.random(in: .min ... .max))"
      #expect(try await node.call("Version", Message()).text(2) == "containerd")
      let pod = pod(node, group: group)
      let sandbox = try await node.call("RunPodSandbox", Message().message(1, pod)).text(1)
      let ready = try await node.call("PodSandboxStatus", Message().text(1, sandbox))
      #expect(ready.messages(1).first?.number(3) == 0)  // SANDBOX_READY

      let limits = Message().number(1, 100_000).number(2, 50_000).number(4, 64 << 20)
      let main = try await start(
        node, sandbox, pod,
        container(
          "main", "echo from a pod; echo word > /dev/shm/word; exec sleep 100000",
          Message().message(1, limits)))
      let (seen, code) = try await exec(
        node, main, "\(Self.memory); exit 5")
      #expect(seen == "\(64 << 20)\n" && code == 5)
      _ = try await node.call(
        "UpdateContainerResources", Message().text(1, main).message(2, Message().number(4, 128 << 20)))
      #expect(try await exec(node, main, Self.memory).0 == "\(128 << 20)\n")
      #expect(try await node.call("ContainerStats", Message().text(1, main)).messages(1).count == 1)

      // User 1000, a root that is read-only, nothing to gain, containerd's filter; and the pod's shared memory.
      let rights = Message().message(5, Message().number(1, 1000)).number(7, 1).number(11, 1)
        .message(15, Message().number(1, 0))
      let second = try await start(
        node, sandbox, pod,
        container(
          "second",
          "id -u; touch /x || echo refused; until [ -s /dev/shm/word ]; do sleep 0.02; done; cat /dev/shm/word; grep -c 'Seccomp:.*2' /proc/self/status; exit 3",
          Message().message(2, rights)))
      try await eventually(describing: "the second container is in CONTAINER_EXITED") {
        try await status(node, second).number(3)
      } until: {
        $0 == 2
      }
      #expect(try await status(node, second).number(7) == 3)
      let log = try String(
        contentsOfFile: node.directory.appending("logs/second.log").string, encoding: .utf8)
      let lines = log.split(separator: "\n").filter { $0.contains(" stdout F ") }
        .compactMap { $0.split(separator: " ").last }
      #expect(lines == ["1000", "refused", "word", "1"], "\(log)")

      let missing = container("missing", "")
      let request = Message().text(1, sandbox).message(3, pod)
        .message(
          2,
          Message().message(1, Message().text(1, "missing")).message(2, missing.messages(2)[0])
            .text(3, "frobnicate"))
      let unstarted = try await node.call("CreateContainer", request).text(1)
      let refused = await #expect(throws: TestFailure.self) {
        try await node.call("StartContainer", Message().text(1, unstarted))
      }
      #expect(refused?.description.contains("executable file not found in $PATH") == true)

      _ = try await node.call("StopContainer", Message().text(1, main).number(2, 0))
      #expect(try await status(node, main).number(7) == 137)
      for id in [main, second, unstarted] {
        _ = try await node.call("RemoveContainer", Message().text(1, id))
      }
      _ = try await node.call("StopPodSandbox", Message().text(1, sandbox))
      _ = try await node.call("RemovePodSandbox", Message().text(1, sandbox))
      let left = try await ChildProcess.run([
        "sh", "-c",
        "ls \(node.directory)/runtime/k8s.io; find /sys/fs/cgroup -path '*\(group)/?*' -type d; find /sys/fs/cgroup -depth -type d -path '*\(group)' -exec rmdir {} +",
      ])
      #expect(left.text == "", "\(left.errorText)")
    }
  }

  /// With whichever version of control groups the machine has.
  private static let memory =
    "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2> /dev/null || cat /sys/fs/cgroup/memory.max"
}
