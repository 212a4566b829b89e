import Foundation
import LinuxSystem
import RPCModel
import RPCTransport
import SystemPackage
import TestSupport
import Testing

/// Clients that ask for output and do not take it.
@Suite("Readers that stall")
struct StalledReaderTests {
  private static let count = 16

  /// A container that writes so many blocks when it has read a line, says so on its standard error, and ends with a second
  /// line. Its input is typed by a client that has attached and reads nothing before the end of `body`.
  private func withWriter(
    _ account: Account,
    _ body: @Sendable (TestStore, TestService, NumberedBlocks, StreamSender) async throws -> Void
  ) async throws {
    try await withTestStore(account) { store in
      let blocks = NumberedBlocks()
      let service = try await store.service()
      _ = try await service.importBusybox(store, try blocks.install(in: store))
      _ = try await service.send(
        ContainerRun.self,
        .init(
          image: "busybox:1", name: "writer",
          command: ["sh", "-c", "read go; \(blocks.script(Self.count)); echo written >&2; read end"],
          opensStdin: true, detach: true))
      let connection = service.process.connection
      let (keys, out) = (connection.sender(), connection.receiver(credit: 1000))
      let attached = Task {
        try await service.send(
          ContainerAttach.self,
          .init(container: "writer", streams: .init(stdout: out.id, initialCredit: 1000), stdin: keys.id))
      }
      try await body(store, service, blocks, keys)
      // Now it is read, and nothing is missing.
      out.grant(1 << 20)
      async let late = blocks.read(out)
      _ = try await keys.send([0x0A])
      #expect(try await attached.value.exit.code == 0)
      #expect(await late == Self.count * NumberedBlocks.size)
      #expect(await service.stop() == 0)
    }
  }

  @Test(
    "one without credit holds up neither the container, nor other readers and requests, nor the shim, and misses nothing",
    arguments: Account.available)
  func withoutCredit(account: Account) async throws {
    try await withWriter(account) { store, service, blocks, keys in
      let pid = try #require(
        try await service.send(ContainerInspect.self, .init(container: "writer")).container.pid)
      let shim = try #require(ProcessStatus(pid: Int32(pid))?.parent)
      let (shimBefore, serviceBefore) = (
        try ProcessMemory.peak(shim), try ProcessMemory.peak(service.process.pid)
      )
      let connection = service.process.connection
      let stalled = connection.receiver(credit: 0)
      let following = Task {
        try await service.send(
          ContainerLogs.self,
          .init(container: "writer", follow: true, streams: .init(stdout: stalled.id, initialCredit: 0)))
      }
      let other = connection.receiver(credit: 1 << 20)
      async let seen = blocks.read(other)
      let beside = Task {
        try await service.send(
          ContainerLogs.self, .init(container: "writer", follow: true, streams: .init(stdout: other.id)))
      }
      _ = try await keys.send([0x0A])
      _ = try await service.send(
        ContainerWait.self, .init(container: "writer", until: .init(condition: .logMatch, pattern: "written"))
      )
      // It has written all, though nobody has read the two, and everything else goes on.
      #expect(try await service.exec("writer", ["echo", "still"]).stdout == "still\n")
      #expect(try await service.send(ContainerList.self, .init()).containers.count == 1)
      #expect(try ProcessMemory.peak(shim) - shimBefore < 256 << 10)
      #expect(try ProcessMemory.peak(service.process.pid) - serviceBefore < 24 << 20)

      following.cancel()
      let gone = await #expect(throws: RPCError.self) { try await following.value }
      #expect(gone?.data?.kind == .cancelled)
      _ = try await keys.send([0x0A])
      _ = try await beside.value
      #expect(await seen == Self.count * NumberedBlocks.size)
    }
  }

  @Test(
    "a client that reads nothing at all holds up its own service alone, which stays as small as it is",
    arguments: Account.available)
  func frozen(account: Account) async throws {
    try await withWriter(account) { store, service, blocks, keys in
      let client = try await FrozenClient(store)
      try client.send(
        #"{"jsonrpc":"2.0","id":2,"method":"container/logs","params":{"container":"writer","follow":true,"streams":{"stdout":"s","initialCredit":1000000000}}}"#
      )
      let before = try ProcessMemory.peak(client.pid)
      _ = try await keys.send([0x0A])
      // Its pipe is full as soon as there is something in it, since nobody takes anything out.
      try await client.waitForOutput()
      _ = try await service.send(
        ContainerWait.self, .init(container: "writer", until: .init(condition: .logMatch, pattern: "written"))
      )
      let out = service.process.connection.receiver(credit: 1 << 20)
      async let seen = blocks.read(out)
      _ = try await service.send(
        ContainerLogs.self, .init(container: "writer", streams: .init(stdout: out.id)))
      #expect(await seen == Self.count * NumberedBlocks.size)
      #expect(try ProcessMemory.peak(client.pid) - before < 24 << 20)

      _ = try await keys.send([0x0A])
      let bytes = try await client.stream("s", until: 2)
      #expect(bytes.count == Self.count * NumberedBlocks.size && blocks.match(bytes, at: 0))
      try await client.end()
    }
  }

  @Test(
    "a client that has left, and keeps its end of the output without reading it, keeps its service for half a minute"
  )
  func leaves() async throws {
    let account = try #require(Account.available.last)
    try await withWriter(account) { store, service, blocks, keys in
      let client = try await FrozenClient(store)
      try client.send(
        #"{"jsonrpc":"2.0","id":2,"method":"container/logs","params":{"container":"writer","follow":true,"streams":{"stdout":"s","initialCredit":1000000000}}}"#
      )
      _ = try await keys.send([0x0A])
      try await client.waitForOutput()
      _ = try await service.send(
        ContainerWait.self, .init(container: "writer", until: .init(condition: .logMatch, pattern: "written"))
      )
      let left = ContinuousClock.now
      #expect(try await client.leave() == .exited(1))
      #expect(ContinuousClock.now - left >= .seconds(29))
      // Nothing else ended with it.
      #expect(try await service.exec("writer", ["echo", "still"]).stdout == "still\n")
    }
  }

  @Test(
    "a command that nobody reads waits by itself: others run beside it, and it can be cancelled",
    arguments: Account.available)
  func exec(account: Account) async throws {
    try await withWriter(account) { _, service, blocks, keys in
      for tty in [false, true] {
        let out = service.process.connection.receiver(credit: 1000)
        let writing = Task {
          try await service.send(
            ContainerExec.self,
            .init(
              container: "writer", command: ["sh", "-c", "echo begun >&2; \(blocks.script(Self.count))"],
              streams: .init(stdout: out.id, initialCredit: 1000), tty: tty))
        }
        // What it was granted has come, and no more.
        for await chunk in out.chunks where !chunk.isEmpty { break }
        #expect(try await service.exec("writer", ["echo", "beside"]).stdout == "beside\n")
        writing.cancel()
        let error = await #expect(throws: RPCError.self) { try await writing.value }
        #expect(error?.data?.kind == .cancelled)
        #expect(!(try await service.exec("writer", ["ps", "-o", "args"]).stdout.contains("begun")))
      }
      _ = try await keys.send([0x0A])
    }
  }
}
