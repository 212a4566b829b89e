import Foundation
import Glibc
import RPCModel
import TestSupport
import Testing

@Suite("What a container leaves in a pid namespace that is not its own")
struct LeftoverTests {
  /// Processes that nobody waits for: one beside the first process, one in a session of its own, one whose parent has ended,
  /// and one that takes no signal that it could refuse. They are told by how long they sleep.
  private static func script(_ seconds: Int, _ end: String) -> String {
    "sleep \(seconds) & busybox setsid sleep \(seconds) & (sleep \(seconds) &); (trap '' TERM HUP INT; sleep \(seconds); :) & echo ready; \(end)"
  }

  /// Those of any user on the host.
  private func living(_ seconds: Int) async throws -> [Substring] {
    let all = try await ChildProcess.run(["ps", "-e", "-o", "stat=,args="]).text.split(separator: "\n")
    return all.filter { $0.contains("sleep \(seconds)") && !$0.hasPrefix("Z") }
  }

  @Test(
    "goes with its first process, whatever ends that, and whether its namespace is the host's or another container's",
    arguments: Account.available)
  func ended(account: Account) async throws {
    try await withBusybox(account) { _, service in
      _ = try await service.send(
        ContainerRun.self,
        .init(image: "busybox:1", name: "first", command: ["sleep", "1000"], detach: true))
      let host = NamespaceChoice(mode: .host)
      let joined = NamespaceChoice(mode: .container, container: "first")
      for (number, namespace) in [host, joined].enumerated() {
        // Nobody else sleeps as long.
        let seconds = 100_000_000 + Int(getpid()) * 100 + number * 10 + (account == .root ? 1 : 2)
        let ran = try await service.run(["sh", "-c", Self.script(seconds, "exit 3")]) {
          $0.pidNamespace = namespace
        }
        #expect(ran.exit.code == 3 && ran.stdout == "ready\n")
        #expect(try await living(seconds).isEmpty)

        for signal in ["SIGKILL", "SIGTERM"] {
          _ = try await service.send(
            ContainerRun.self,
            .init(
              image: "busybox:1", name: "c", command: ["sh", "-c", Self.script(seconds, "exec sleep 1000")],
              pidNamespace: namespace, detach: true))
          _ = try await service.send(
            ContainerWait.self, .init(container: "c", until: .init(condition: .logMatch, pattern: "ready")))
          // A command that was executed in it belongs to it as well.
          let exec = Task {
            try await service.exec("c", ["sh", "-c", Self.script(seconds, "exec sleep \(seconds)")])
          }
          try await eventually(describing: "all nine sleepers are there") {
            try await living(seconds)
          } until: {
            $0.count >= 9
          }
          _ = try await service.send(ContainerKill.self, .init(container: "c", signal: signal))
          let exit = try await service.send(ContainerWait.self, .init(container: "c")).exit
          #expect(exit?.signal == signal)
          #expect(try await living(seconds).isEmpty)
          #expect(try await exec.value.exit.signal == "SIGKILL")
          _ = try await service.send(ContainerRemove.self, .init(container: "c"))
        }

        // Before each start by the restart policy, and at the last end.
        _ = try await service.send(EventSubscribe.self, .init(kinds: ["container."]))
        let container = try await service.send(
          ContainerRun.self,
          .init(
            image: "busybox:1", name: "c",
            command: [
              "sh", "-c",
              "busybox pgrep -f -x \"sleep \(seconds)\" | wc -l; " + Self.script(seconds, "exit 1"),
            ],
            restart: .init(kind: .onFailure, maximumRetries: 1), pidNamespace: namespace, detach: true)
        ).container
        try await eventually(describing: "its last run has ended") {
          try await service.send(ContainerInspect.self, .init(container: container.id)).container.state
        } until: {
          $0 == .exited
        }
        #expect(try await service.logs("c") == "0\nready\n0\nready\n")
        #expect(try await living(seconds).isEmpty)
        _ = try await service.send(ContainerRemove.self, .init(container: "c"))
      }
      // What is in the namespace besides is nobody's leftover.
      #expect(try await service.exec("first", ["true"]).exit.code == 0)
      _ = try await service.send(ContainerRemove.self, .init(container: "first", force: true))
      #expect(await service.stop() == 0)
    }
  }

  @Test(
    "is told from what is there besides, which neither a list, nor a pause, nor the end of the container takes for its own",
    arguments: Account.available)
  func besides(account: Account) async throws {
    try await withBusybox(account) { _, service in
      for (name, seconds) in [("first", "1001"), ("second", "1002")] {
        _ = try await service.send(
          ContainerRun.self,
          .init(
            image: "busybox:1", name: name, command: ["sleep", seconds],
            pidNamespace: name == "second" ? NamespaceChoice(mode: .container, container: "first") : nil,
            detach: true))
      }
      for (name, seconds) in [("first", "1001"), ("second", "1002")] {
        let processes = try await service.send(ContainerTop.self, .init(container: name)).processes
        #expect(processes.map(\.command) == [["sleep", seconds]], "\(name)")
        let sample = try await service.send(ContainerStats.self, .init(containers: [name])).stats.first
        #expect(sample?.processes == 1, "\(name)")
      }
      do {
        _ = try await service.send(ContainerPause.self, .init(container: "second"))
        #expect(try await service.exec("first", ["echo", "goes on"]).stdout == "goes on\n")
        let states = try await service.send(ContainerTop.self, .init(container: "first")).processes.map(
          \.state)
        #expect(states == ["S"])
      } catch let error as RPCError {
        // Where nothing can be paused.
        #expect(error.data?.kind == .unsupported)
      }
      _ = try await service.send(ContainerRemove.self, .init(container: "second", force: true))
      #expect(try await service.exec("first", ["echo", "lives"]).stdout == "lives\n")
      _ = try await service.send(ContainerRemove.self, .init(container: "first", force: true))
      #expect(await service.stop() == 0)
    }
  }
}
