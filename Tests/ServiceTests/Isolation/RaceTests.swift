import Foundation
import RPCModel
import SystemPackage
import TestSupport
import Testing

/// Containers that change what another one is mounted on, while that one starts.
@Suite("What a container cannot do to the start of another one")
struct RaceTests {
  /// How long each of them is tried, at the least.
  private static let time = Duration.seconds(3)

  /// Runs `body` beside a container that runs `swap` for ever on a directory of the host's that both have at /s.
  private func withSwapper(
    _ account: Account, _ swap: String, prepared: String,
    _ body: @Sendable (TestStore, TestService, FilePath) async throws -> Void
  ) async throws {
    try await withBusybox(account) { store, service in
      let shared = store.directory.appending("shared")
      let made = try await ChildProcess.run(
        account.launcher + ["sh", "-ec", "mkdir \(shared); cd \(shared); \(prepared)"])
      #expect(made.succeeded, "\(made.errorText)")
      _ = try await service.send(
        ContainerRun.self,
        .init(
          image: "busybox:1", name: "swapper", command: ["sh", "-c", "while :; do \(swap); done"],
          mounts: [.init(kind: .bind, target: "/s", source: shared.string)], detach: true))
      try await body(store, service, shared)
      _ = try await service.send(ContainerRemove.self, .init(container: "swapper", force: true))
      #expect(await service.stop() == 0)
    }
  }

  /// Two starts at a time, as long as there is time, or `isEnough` has not been answered.
  private func race(
    until isEnough: @escaping @Sendable () -> Bool = { true },
    _ start: @escaping @Sendable () async throws -> Void
  ) async throws {
    let (end, latest) = (ContinuousClock.now + Self.time, ContinuousClock.now + .seconds(120))
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<2 {
        group.addTask {
          while ContinuousClock.now < end || !isEnough() && ContinuousClock.now < latest { try await start() }
        }
      }
      try await group.waitForAll()
    }
  }

  @Test(
    "CVE-2021-30465: a mount's target that another container exchanges for a link never leads out",
    arguments: Account.available)
  func target(account: Account) async throws {
    let swap =
      "busybox mv /s/a /s/c; busybox mv /s/b /s/a; busybox mv /s/c /s/b; busybox mv /s/a /s/c; busybox mv /s/b /s/a; busybox mv /s/c /s/b"
    // The link names a directory of the host's.
    try await withSwapper(account, swap, prepared: "mkdir a ../sentinel; ln -s $(realpath ../sentinel) b") {
      store, service, shared in
      let sentinel = store.directory.appending("sentinel")
      try await race {
        // The target is beneath a mount that the other one writes to; where it is a link just then, that is in the container.
        _ = try? await service.run(["sh", "-c", "echo out > /s/a/mark"]) {
          $0.mounts = [
            .init(kind: .bind, target: "/s", source: shared.string),
            .init(kind: .tmpfs, target: "/s/a"),
          ]
          $0.autoRemove = true
        }
      }
      #expect(try FileManager.default.contentsOfDirectory(atPath: sentinel.string).isEmpty)
      let mounts = try String(contentsOfFile: "/proc/self/mounts", encoding: .utf8)
      #expect(!mounts.contains(sentinel.string))
    }
  }

  @Test(
    "CVE-2025-52881: no target that becomes a link into procfs takes what the engine writes there",
    arguments: Account.available)
  func procfs(account: Account) async throws {
    let places = ["/proc/sys/net/ipv4", "/proc/self", "/proc/thread-self", "/proc/1", "/proc/sys", "/proc"]
    let swap =
      "rm -r /s/a; mkdir /s/a; "
      + places.map { "rm -r /s/a; ln -s \($0) /s/a" }.joined(separator: "; rm -r /s/a; mkdir /s/a; ")
    // Files that have the names of those that are written, and would be in their place.
    let decoys = "ip_unprivileged_port_start oom_score_adj net/ipv4/ip_unprivileged_port_start"
    let prepared =
      "mkdir a ../decoys; cd ../decoys; mkdir -p net/ipv4 self sys; for f in \(decoys); do echo decoy > $f; done"
    try await withSwapper(account, swap, prepared: prepared) { store, service, shared in
      let decoys = store.directory.appending("decoys")
      let (proven, refused) = (Tally(), Tally())
      try await race {
        proven.count > 0
      } _: {
        do {
          let ran = try await service.run([
            "sh", "-c",
            "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/self/oom_score_adj; cat /proc/timer_list | wc -c; busybox grep -c ' /proc/s[ey].* ' /proc/mounts; echo x > /proc/sys/kernel/core_pattern || echo no",
          ]) {
            $0.network = NetworkMode.none
            $0.mounts = [
              .init(kind: .bind, target: "/s", source: shared.string),
              .init(kind: .bind, target: "/s/a", source: decoys.string),
            ]
            $0.sysctls = ["net.ipv4.ip_unprivileged_port_start": "99"]
            $0.oomScoreAdjust = 321
            $0.autoRemove = true
          }
          // /proc/sys is covered by itself, read-only, and nothing else of that kind is.
          #expect(ran.stdout == "99\n321\n0\n1\nno\n")
          proven.add()
        } catch let error as RPCError {
          // The other one may also have it away at that moment.
          if error.data?.causes.contains(where: { $0.contains("procfs") }) == true { refused.add() }
        }
      }
      #expect(proven.count > 0, "\(refused.count) refused")
      let found = try await ChildProcess.run(["sh", "-c", "cat $(find \(decoys) -type f)"]).text
      #expect(found == "decoy\ndecoy\ndecoy\n")
    }
  }
}

/// Counts for several tasks.
private final class Tally: @unchecked Sendable {
  private let lock = NSLock()
  private var number = 0

  var count: Int { lock.withLock { number } }
  func add() { lock.withLock { number += 1 } }
}
