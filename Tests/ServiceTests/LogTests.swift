import Foundation
import RPCModel
import SystemPackage
import TestSupport
import Testing

@Suite("container/logs")
struct LogTests {
  private func logs(
    _ service: TestService, _ change: (inout ContainerLogs.Params) -> Void
  ) async throws -> (out: [UInt8], errors: [UInt8]) {
    let (out, errors) = (
      service.process.connection.receiver(credit: 1 << 20),
      service.process.connection.receiver(credit: 1 << 20)
    )
    async let outBytes = out.bytes()
    async let errorBytes = errors.bytes()
    var params = ContainerLogs.Params(
      container: "c", streams: OutputStreams(stdout: out.id, stderr: errors.id))
    change(&params)
    do {
      _ = try await service.send(ContainerLogs.self, params)
      return (await outBytes, await errorBytes)
    } catch {
      out.end(nil)
      errors.end(nil)
      throw error
    }
  }

  @Test(
    "a start after an end that was told of does not read the log first: one can be long",
    arguments: Account.available)
  func secondStart(account: Account) async throws {
    try await withBusyboxService(account) { store, service in
      let id = try await service.send(
        ContainerRun.self, .init(image: "busybox:1", name: "c", command: ["echo", "one"])
      ).container.id
      let log = store.store.appending("containers/\(id)/log")
      // What a look at it would have cut off.
      let file = try FileDescriptor.open(log, .writeOnly, options: .append)
      _ = try file.closeAfter { try file.writeAll([UInt8](repeating: 0xFF, count: 100)) }
      let before = try log.readAll()
      _ = try await service.send(ContainerStart.self, .init(container: "c"))
      _ = try await service.send(
        ContainerWait.self, .init(container: "c", until: .init(condition: .exited), timeoutMs: 120_000))
      let after = try log.readAll()
      #expect(after.starts(with: before) && after.count > before.count)
    }
  }

  @Test(
    "timestamps stand in front of each line, also of one that comes in pieces", arguments: Account.available)
  func timestamps(account: Account) async throws {
    try await withBusyboxService(account) { _, service in
      // Each part is written when the one before it has got its time.
      _ = try await service.send(
        ContainerRun.self,
        .init(
          image: "busybox:1", name: "c",
          command: [
            "sh", "-c",
            "echo one; echo err >&2; read go; echo -n 'be'; sleep 0.3; echo 'gun'; read go; echo; echo -n open",
          ], opensStdin: true, detach: true))
      let keys = service.process.connection.sender()
      let attached = Task {
        try await service.send(ContainerAttach.self, .init(container: "c", stdin: keys.id)).exit
      }
      for seen in [["one", "err"], ["begun"]] {
        for pattern in seen {
          _ = try await service.send(
            ContainerWait.self,
            .init(
              container: "c", until: .init(condition: .logMatch, pattern: pattern), timeoutMs: 120_000))
        }
        _ = try await keys.send([0x0A])
      }
      #expect(try await attached.value.code == 0)
      let (out, errors) = try await logs(service) { $0.timestamps = true }
      let lines = String(decoding: out, as: UTF8.self).split(
        separator: "\n", omittingEmptySubsequences: false)
      let form = #/(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z) (.*)/#
      let parts = lines.compactMap { $0.wholeMatch(of: form)?.output }
      #expect(parts.map(\.2) == ["one", "begun", "", "open"] && parts.count == lines.count, "\(lines)")
      #expect(String(decoding: errors, as: UTF8.self).wholeMatch(of: #/[0-9TZ.:-]{30} err\n/#) != nil)
      // By the times that were told, to the nanosecond and with an offset.
      let begun = String(try #require(parts.dropFirst().first).1)
      let since = try await logs(service) { $0.since = begun }
      #expect(String(decoding: since.out, as: UTF8.self) == "begun\n\nopen")
      let until = try await logs(service) { $0.until = begun.replacing("Z", with: "+00:00") }
      #expect(String(decoding: until.out, as: UTF8.self) == "one\n" && until.errors == Array("err\n".utf8))
      let both = try await logs(service) {
        $0.since = begun
        $0.tail = 1
        $0.timestamps = true
      }
      #expect(String(decoding: both.out, as: UTF8.self).wholeMatch(of: #/[0-9TZ.:-]{30} open/#) != nil)
      let none = try await logs(service) { $0.since = "2261-01-01t00:00:00-01:00" }
      #expect(none.out.isEmpty && none.errors.isEmpty)
      let wrong = await #expect(throws: RPCError.self) { try await logs(service) { $0.since = "yesterday" } }
      #expect(wrong?.data?.kind == .invalidArgument)
    }
  }

  @Test("every byte comes as it was written", arguments: Account.available)
  func bytes(account: Account) async throws {
    try await withBusyboxService(account) { _, service in
      let bytes: [UInt8] = (0..<300).flatMap { _ in [UInt8](0...255) } + [0xE2, 0x82]
      let output = try await service.run(["cat"], input: bytes) { $0.name = "c" }
      #expect(output.exit.code == 0)
      #expect(try await logs(service) { _ in }.out == bytes)
    }
  }

  @Test("a limit keeps the newest, over a restart and in another service", arguments: Account.available)
  func limits(account: Account) async throws {
    try await withBusyboxService(account) { store, service in
      let first = try await service.run(["sh", "-c", "head -c 500000 /dev/zero; echo; echo end"]) {
        $0.name = "c"
        $0.logLimits = .init(fileBytes: 65536, files: 3)
      }
      #expect(first.exit.code == 0)
      let other = try await store.service("other")
      let kept = try await logs(other) { _ in }.out
      #expect((2 * 65000...3 * 65536).contains(kept.count) && kept.suffix(5) == Array("\nend\n".utf8)[...])
      _ = try await other.send(ContainerStart.self, .init(container: "c"))
      _ = try await other.send(ContainerWait.self, .init(container: "c"))
      let again = try await logs(service) { $0.tail = 1 }.out
      #expect(again == Array("end\n".utf8))
      let usage = try await service.send(SystemDiskUsage.self, .init())
      let bytes = try #require(usage.containers.containers.first?.bytes)
      #expect((2 * 65000...3 * 65536 + 200_000).contains(bytes), "\(bytes)")
      _ = try await other.send(ContainerRemove.self, .init(container: "c"))
      #expect(await other.stop() == 0)
    }
  }
}
