import Foundation
import LinuxSystem
import RPCModel
import RPCTransport
import TestSupport
import Testing

/// Containers that write much: 64 MiB each, or as much as CORACLE_TEST_OUTPUT_MIB in the environment says.
@Suite("Much output")
struct HeavyOutputTests {
  private static let count =
    ProcessInfo.processInfo.environment["CORACLE_TEST_OUTPUT_MIB"].flatMap { Int($0) } ?? 64
  private static let size = count * NumberedBlocks.size
  /// What a service may grow by while any amount goes through it.
  private static let growth = 24 << 20

  private func withBlocks(
    _ account: Account, _ body: @Sendable (TestService, NumberedBlocks) async throws -> Void
  ) async throws {
    try await withTestStore(account) { store in
      let blocks = NumberedBlocks()
      let service = try await store.service()
      _ = try await service.importBusybox(store, try blocks.install(in: store))
      try await body(service, blocks)
      #expect(await service.stop() == 0)
    }
  }

  /// Runs it with its output to a stream, and answers how much came; nil where it was not what the container wrote.
  private func run(
    _ service: TestService, _ blocks: NumberedBlocks, _ count: Int,
    _ change: (inout ContainerRun.Params) -> Void
  ) async throws -> Int? {
    let out = service.process.connection.receiver(credit: 1 << 20)
    async let came = blocks.read(out)
    var params = ContainerRun.Params(
      image: "busybox:1", command: ["sh", "-c", blocks.script(count)], streams: OutputStreams(stdout: out.id))
    change(&params)
    do {
      let exit = try await service.send(ContainerRun.self, params).exit
      #expect(exit?.code == 0)
    } catch {
      out.end(nil)
      throw error
    }
    return await came
  }

  private func log(_ service: TestService, tail: Int? = nil) async throws -> [UInt8] {
    let out = service.process.connection.receiver(credit: 1 << 20)
    async let bytes = out.bytes()
    _ = try await service.send(
      ContainerLogs.self, .init(container: "much", tail: tail, streams: OutputStreams(stdout: out.id)))
    return await bytes
  }

  @Test(
    "without a limit the stream and the log have every byte, and the service does not grow",
    arguments: Account.available)
  func whole(account: Account) async throws {
    try await withBlocks(account) { service, blocks in
      // What is there for any amount is there after a little.
      let little = try await run(service, blocks, 8) { _ in }
      #expect(little == 8 * NumberedBlocks.size)
      let before = try ProcessMemory.peak(service.process.pid)
      let came = try await run(service, blocks, Self.count) { $0.name = "much" }
      #expect(came == Self.size)
      let out = service.process.connection.receiver(credit: 1 << 20)
      async let read = blocks.read(out)
      _ = try await service.send(
        ContainerLogs.self, .init(container: "much", streams: OutputStreams(stdout: out.id)))
      #expect(await read == Self.size)
      let tail = try await log(service, tail: 100)
      #expect(tail.count { $0 == 0x0A } == 100 && blocks.match(tail, at: Self.size - tail.count))
      let grown = try ProcessMemory.peak(service.process.pid) - before
      #expect(grown < Self.growth, "\(grown >> 20) MiB")
    }
  }

  @Test(
    "CVE-2022-31030: the endless output of a command, or of a health check, stays out of the service's memory",
    arguments: Account.available)
  func exec(account: Account) async throws {
    try await withBlocks(account) { service, blocks in
      _ = try await service.send(EventSubscribe.self, .init(kinds: ["container.healthChanged"]))
      let container = try await service.send(
        ContainerRun.self,
        .init(
          image: "busybox:1", name: "c", command: ["sleep", "1000"],
          health: .init(test: ["CMD", "cat", "/dev/zero"], intervalMs: 1, timeoutMs: 2000, retries: 1),
          detach: true)
      ).container
      let before = try ProcessMemory.peak(service.process.pid)
      let out = service.process.connection.receiver(credit: 1 << 20)
      async let came = blocks.read(out)
      let exit = try await service.send(
        ContainerExec.self,
        .init(
          container: "c", command: ["sh", "-c", blocks.script(Self.count)], streams: .init(stdout: out.id))
      ).exit
      #expect(exit?.code == 0)
      #expect(await came == Self.size)
      await service.notifications.wait { all in
        all.contains {
          if case .eventOccurred(let event) = $0 {
            event.attributes["health"] == .string("unhealthy")
          } else {
            false
          }
        }
      }
      // One whose start takes all of its time has no output.
      let checks = try await eventually(describing: "a look had output") {
        try await service.send(ContainerInspect.self, .init(container: container.id)).healthChecks ?? []
      } until: {
        $0.contains { $0.output.utf8.count == 4096 && $0.exitCode == nil }
      }
      #expect(checks.allSatisfy { $0.output.utf8.count <= 4096 })
      let grown = try ProcessMemory.peak(service.process.pid) - before
      #expect(grown < Self.growth, "\(grown >> 20) MiB")
      _ = try await service.send(ContainerRemove.self, .init(container: "c", force: true))
    }
  }

  @Test(
    "with a limit the log has the last bytes, all of them, and neither service nor shim grows",
    arguments: Account.available)
  func limited(account: Account) async throws {
    try await withBlocks(account) { service, blocks in
      let part = 4 << 20
      let container = try await service.send(
        ContainerRun.self,
        .init(
          image: "busybox:1", name: "much",
          command: ["sh", "-c", "read go; \(blocks.script(Self.count)); echo written >&2; read end"],
          opensStdin: true, logLimits: .init(fileBytes: part, files: 3), detach: true)
      ).container
      let shim = try #require(container.pid.flatMap { ProcessStatus(pid: Int32($0))?.parent })
      let before = (try ProcessMemory.peak(service.process.pid), try ProcessMemory.peak(shim))
      let keys = service.process.connection.sender()
      let attached = Task {
        try await service.send(ContainerAttach.self, .init(container: "much", stdin: keys.id)).exit
      }
      _ = try await keys.send([0x0A])
      _ = try await service.send(
        ContainerWait.self, .init(container: "much", until: .init(condition: .logMatch, pattern: "written")))
      let grown = (
        try ProcessMemory.peak(service.process.pid) - before.0, try ProcessMemory.peak(shim) - before.1
      )
      #expect(grown.0 < Self.growth && grown.1 < 256 << 10, "\(grown.0 >> 20) MiB, shim \(grown.1 >> 10) KiB")
      let kept = try await log(service)
      // A part holds its records' headers as well.
      #expect((2 * part - (64 << 10)...3 * part).contains(kept.count), "\(kept.count)")
      #expect(blocks.match(kept, at: Self.size - kept.count))
      _ = try await keys.send([0x0A])
      #expect(try await attached.value.code == 0)
    }
  }
}
