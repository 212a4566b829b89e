import EngineErrors
import LinuxSystem
import OCIModel
import Registry
import Synchronization
import TestSupport
import Testing

@Suite struct BlobTests {
  private let bytes = noise(3_000_000)
  private var blob: Descriptor { layer(bytes) }
  private var path: String { "/v2/a/blobs/\(blob.digest)" }

  private func failure(
    _ test: TestClient, _ server: FaultyServer, _ sink: Sink = Sink(), from offset: Int64 = 0
  ) async -> EngineError? {
    await #expect(throws: EngineError.self) {
      try await test.client.fetchBlob(server.reference("a"), blob, from: offset, receive: sink.receive)
    }
  }

  @Test(arguments: [FaultyResponse.Framing.length, .chunked, .close])
  func arrivesWholeHoweverItsEndIsMarked(framing: FaultyResponse.Framing) async throws {
    try await withFaultyServer { server in
      var answer = FaultyResponse.blob(bytes, fault: framing == .close ? .none : .trickles(piece: 30_011))
      answer.framing = framing
      server.on("GET", path, answer)
      let sink = Sink()
      try await TestClient().client.fetchBlob(server.reference("a"), blob, receive: sink.receive)
      #expect(sink.bytes == bytes)
      #expect(server.requests.first?.fields["range"] == nil)
    }
  }

  @Test func startsAtAnOffset() async throws {
    try await withFaultyServer { server in
      server.on("GET", path, .blob(bytes))
      let sink = Sink()
      try await TestClient().client.fetchBlob(
        server.reference("a"), blob, from: 2_999_000, receive: sink.receive)
      #expect(sink.bytes == Array(bytes[2_999_000...]))
      #expect(server.requests.first?.fields["range"] == "bytes=2999000-")
    }
  }

  @Test func whatIsThereAlreadyNeedsNoRequest() async throws {
    try await withFaultyServer { server in
      let sink = Sink()
      try await TestClient().client.fetchBlob(
        server.reference("a"), blob, from: blob.size, receive: sink.receive)
      #expect(sink.bytes.isEmpty)
      #expect(server.requests.isEmpty)
      for offset in [-1, blob.size + 1] {
        #expect(await failure(TestClient(), server, from: offset)?.kind == .invalidArgument)
      }
    }
  }

  @Test(arguments: [true, false], [FaultyResponse.Framing.length, .chunked, .close])
  func aBrokenConnectionIsResumed(serverDoesRanges: Bool, framing: FaultyResponse.Framing) async throws {
    try await withFaultyServer { server in
      var first = FaultyResponse.blob(bytes, fault: .closes(afterBytes: 1_000_000), ranges: serverDoesRanges)
      first.framing = framing
      var second = first
      second.fault = .closes(afterBytes: 1_234_567)
      server.on("GET", path, first, second, .blob(bytes, ranges: serverDoesRanges))
      let sink = Sink()
      let test = TestClient()
      try await test.client.fetchBlob(server.reference("a"), blob, receive: sink.receive)
      #expect(sink.bytes == bytes)
      #expect(server.requests[1].fields["range"] == "bytes=1000000-")
      #expect(test.pauses.count == 2)
    }
  }

  @Test func aServerThatAlwaysBreaksOffIsUnreachable() async throws {
    try await withFaultyServer { server in
      server.on("GET", path, .blob(bytes, fault: .closes(afterBytes: 100_000), ranges: false))
      let sink = Sink()
      let error = await failure(TestClient(), server, sink)
      #expect(error?.kind == .unreachable)
      #expect(error?.causes.first == "the connection broke")
      #expect(error?.subject == blob.digest.description)
      #expect(sink.bytes == Array(bytes[..<100_000]))
      #expect(server.requests.count == 5)
    }
  }

  @Test func triesThatBringMuchDoNotCount() async throws {
    try await withFaultyServer { server in
      server.on("GET", path, .blob(bytes, fault: .closes(afterBytes: 1_100_000)))
      let sink = Sink()
      try await TestClient { $0.retry.attempts = 2 }.client.fetchBlob(
        server.reference("a"), blob, receive: sink.receive)
      #expect(sink.bytes == bytes)
    }
  }

  @Test(arguments: [FaultyResponse.Framing.length, .chunked])
  func aBlobOfAnotherSizeIsCorrupt(framing: FaultyResponse.Framing) async throws {
    for other in [bytes + [1], Array(bytes.dropLast())] {
      try await withFaultyServer { server in
        var answer = FaultyResponse.blob(other)
        answer.framing = framing
        server.on("GET", path, answer)
        let sink = Sink()
        #expect(await failure(TestClient(), server, sink)?.kind == .corrupt)
        #expect(sink.bytes.count <= bytes.count)
        if framing == .length { #expect(sink.bytes.isEmpty) }
        #expect(server.requests.count == 1)
      }
    }
  }

  @Test func anotherPartThanAskedForIsCorrupt() async throws {
    try await withFaultyServer { server in
      server.on(
        "GET", path,
        FaultyResponse(status: 206, fields: ["Content-Range": "bytes 0-9/3000000"], body: bytes.prefix(10)))
      let sink = Sink()
      #expect(await failure(TestClient(), server, sink, from: 5)?.kind == .corrupt)
      #expect(sink.bytes.isEmpty)
    }
  }

  @Test(arguments: [
    (404, ErrorKind.notFound), (401, .unauthorized), (416, .invalidArgument), (204, .corrupt),
  ])
  func aBadStatusIsTyped(status: Int, kind: ErrorKind) async throws {
    try await withFaultyServer { server in
      server.on("GET", path, FaultyResponse(status: status, body: noise(status == 204 ? 0 : 100)))
      let sink = Sink()
      #expect(await failure(TestClient(), server, sink)?.kind == kind)
      #expect(sink.bytes.isEmpty)
    }
  }

  @Test func anEndlessErrorBodyIsCutOff() async throws {
    try await withFaultyServer { server in
      server.on("GET", path, FaultyResponse(status: 404, body: bytes, fault: .hangs(afterBytes: 2_000_000)))
      #expect(await failure(TestClient(), server)?.kind == .notFound)
    }
  }

  @Test func theReceiversErrorEndsTheTransferAndIsNotTriedAgain() async throws {
    try await withFaultyServer { server in
      server.on("GET", path, .blob(bytes))
      let error = EngineError(.noSpace, "the disk is full")
      let thrown = await #expect(throws: EngineError.self) {
        try await TestClient().client.fetchBlob(server.reference("a"), blob) { _ in throw error }
      }
      #expect(thrown == error)
      let systemError = await #expect(throws: EngineError.self) {
        try await TestClient().client.fetchBlob(server.reference("a"), blob) { _ in
          throw SystemError("write", .noSpace)
        }
      }
      #expect(systemError?.kind == .noSpace)
      #expect(server.requests.count == 2)
    }
  }

  @Test func cancellingEndsATransferThatHangsMidway() async throws {
    try await withFaultyServer { server in
      server.on("GET", path, .blob(bytes, fault: .hangs(afterBytes: 50_000)))
      let sink = Sink()
      let (reference, blob) = (server.reference("a"), blob)
      // Unwoken, the thread would wait for the whole of it.
      let client = TestClient { $0.stallTimeout = .seconds(3600) }.client
      let task = Task { try await client.fetchBlob(reference, blob, receive: sink.receive) }
      let count = Mutex(0)
      try await sink.pieces.first("the first part") { piece in
        count.withLock {
          $0 += piece
          return $0 == 50_000
        }
      }
      task.cancel()
      let error = await #expect(throws: EngineError.self) {
        try await withPatience(Patience.wait) { try await task.value }
      }
      #expect(error?.kind == .cancelled)
    }
  }

  @Test func cancellingWhileTheReceiverIsBusyWaitsForIt() async throws {
    try await withFaultyServer { server in
      server.on("GET", path, .blob(bytes))
      let gate = Gate()
      let (reference, blob) = (server.reference("a"), blob)
      let task = Task {
        defer { #expect(gate.isOpen) }
        try await TestClient().client.fetchBlob(reference, blob) { _ in gate.wait() }
      }
      try await gate.entered.first("first piece")
      task.cancel()
      gate.open()
      let error = await #expect(throws: EngineError.self) { try await task.value }
      #expect(error?.kind == .cancelled)
      #expect(gate.count == 1)
    }
  }

  @Test func aStalledTransferResumesElsewhere() async throws {
    try await withFaultyServer { server in
      server.on("GET", path, .blob(bytes, fault: .hangs(afterBytes: 70_000)), .blob(bytes))
      let sink = Sink()
      try await TestClient { $0.stallTimeout = .seconds(5) }.client.fetchBlob(
        server.reference("a"), blob, receive: sink.receive)
      #expect(sink.bytes == bytes)
      #expect(server.requests.count >= 2)
    }
  }

  @Test func redirectsAreFollowedToOtherHosts() async throws {
    try await withFaultyServer { server in
      try await withFaultyServer { storage in
        server.on("GET", path, .redirect(to: "/moved"))
        server.on("GET", "/moved", .redirect(302, to: "http://\(storage.host)/data"))
        storage.on("GET", "/data", .blob(bytes, fault: .closes(afterBytes: 10)), .blob(bytes))
        let sink = Sink()
        try await TestClient().client.fetchBlob(server.reference("a"), blob, receive: sink.receive)
        #expect(sink.bytes == bytes)
        #expect(storage.requests.map { $0.fields["range"] } == [nil, "bytes=10-"])
        // A signed address may have expired: the registry is asked again.
        #expect(server.requests.count == 4)
      }
    }
  }

  @Test func redirectsWithoutEndAreCutOff() async throws {
    try await withFaultyServer { server in
      server.on("GET", path, .redirect(to: path))
      let error = await failure(TestClient(), server)
      #expect(error?.kind == .unreachable)
      #expect(error?.causes.first == "more than 10 redirects")
      #expect(server.requests.count == 11)
    }
  }

  @Test func oneConnectionServesOneTransferAfterTheOther() async throws {
    try await withFaultyServer { server in
      server.on("GET", path, .blob(bytes))
      server.on("HEAD", path, .blob(bytes))
      let test = TestClient()
      for _ in 0..<3 {
        #expect(try await test.client.hasBlob(server.reference("a"), blob.digest))
        try await test.client.fetchBlob(server.reference("a"), blob) { _ in }
      }
      #expect(try await test.client.hasBlob(server.reference("a"), Digest(of: "none".utf8)) == false)
      #expect(server.connections == 1)
      test.client.closeIdleConnections()
      #expect(try await test.client.hasBlob(server.reference("a"), blob.digest))
      #expect(server.connections == 2)
    }
  }
}
