import OCIModel
import RPCModel
import SystemPackage
import TestSupport
import Testing

/// How a pull comes to its end in the middle of a layer.
enum PullEnd: CaseIterable, Sendable {
  case cancelled, killed, cutOff
  /// The connection breaks, and the registry does not know the client any more.
  case lockedOut
}

@Suite("A pull that goes on where an earlier one ended")
struct ResumedPullTests {
  /// Ends a pull after half of its layer, and runs `body` when there is a new service.
  private func afterHalf(
    _ end: PullEnd,
    _ body: @Sendable (TestStore, TestService, FaultyServer, ServedImage, FilePath) async throws -> Void
  ) async throws {
    let account = try #require(Account.available.first)
    try await withTestStore(account) { store in
      try await withFaultyServer { server in
        let archive = try await store.busyboxArchive(#"head -c 3000000 /dev/urandom > "$root"/noise"#)
        let image = try await ServedImage(tars: [archive.readAll()])
        let layer = image.layers[0]
        let half = layer.count / 2
        image.serve(on: server) { point, response in
          guard point == .layer else { return response }
          return .blob(
            layer, fault: end == .cutOff ? .closes(afterBytes: half) : .hangs(afterBytes: half), ranges: false
          )
        }
        if end == .lockedOut {
          server.on(
            "GET", "/v2/app/blobs/\(Digest(of: layer))", .blob(layer, fault: .closes(afterBytes: half)),
            .failure(401, code: "UNAUTHORIZED", message: "who are you"))
        }
        let first = try await store.service()
        let pull = Task {
          try await first.send(ImagePull.self, .init(reference: "\(server.host)/app:1"))
        }
        let partial = store.store.appending("ingest/\(Digest(of: layer).hex).partial")
        if end == .cancelled || end == .killed {
          // All that the server sends has come when the progress says so.
          await first.notifications.wait { all in
            all.contains { if case .taskProgressed(let task) = $0 { task.done >= half } else { false } }
          }
          if end == .cancelled { pull.cancel() } else { first.process.kill(9) }
        }
        await #expect(throws: RPCError.self) { try await pull.value }
        if end == .killed { await first.waitForExit() } else { #expect(await first.stop() == 0) }
        image.serve(on: server)
        try await body(store, try await store.service(), server, image, partial)
      }
    }
  }

  private func ranges(_ server: FaultyServer) -> [String] {
    server.requests.compactMap { $0.fields["range"] }
  }

  @Test(
    "takes over what there is, in another service, and asks for the rest alone", arguments: PullEnd.allCases)
  func resumes(end: PullEnd) async throws {
    try await afterHalf(end) { store, service, server, image, partial in
      let half = try partial.readAll().count
      // Who is killed takes along what has come since the last piece was whole.
      let lost = end == .killed ? 256 << 10 : 0
      #expect(half >= image.layers[0].count / 2 - lost)
      let asked = ranges(server).count
      let name = "\(server.host)/app:1"
      let pulled = try await service.send(ImagePull.self, .init(reference: name))
      #expect(ranges(server).dropFirst(asked) == ["bytes=\(half)-"])
      #expect(pulled.layers[0].resumedBytes == half)
      #expect(pulled.fetchedBytes == image.layers[0].count - half)
      #expect(try await service.run(name, ["echo", "whole"]).stdout == "whole\n")
      let left = try await ChildProcess.run(["ls", "-A", partial.removingLastComponent().string])
      #expect(left.text.isEmpty)
      #expect(await service.stop() == 0)
    }
  }

  @Test("what was damaged meanwhile is fetched anew, as a whole")
  func damaged() async throws {
    try await afterHalf(.cancelled) { store, service, server, image, partial in
      var bytes = try partial.readAll()
      bytes[bytes.count / 2] ^= 1
      try partial.write(bytes)
      let name = "\(server.host)/app:1"
      let pulled = try await service.send(ImagePull.self, .init(reference: name))
      #expect(pulled.layers[0].resumedBytes == nil)
      #expect(try await service.run(name, ["echo", "whole"]).stdout == "whole\n")
      #expect(await service.stop() == 0)
    }
  }

  @Test("what nobody went on with for a day is removed by the next pull of anything")
  func stale() async throws {
    try await afterHalf(.cancelled) { store, service, server, image, partial in
      let other = partial.removingLastComponent().appending("\(String(repeating: "b", count: 64)).partial")
      try other.write([1, 2, 3])
      let old = try await ChildProcess.run(["touch", "-d", "25 hours ago", other.string])
      #expect(old.succeeded)
      await #expect(throws: RPCError.self) {
        try await service.send(ImagePull.self, .init(reference: "\(server.host)/none:1"))
      }
      let left = try await ChildProcess.run(["ls", partial.removingLastComponent().string])
      #expect(left.text == "\(Digest(of: image.layers[0]).hex).partial\n")
      #expect(await service.stop() == 0)
    }
  }
}
