import EngineErrors
import OCIModel
import Registry
import TestSupport
import Testing

@Suite struct ManifestTests {
  private let path = "/v2/a/b/manifests/latest"

  private func failure(_ test: TestClient, _ reference: Reference) async -> EngineError? {
    await #expect(throws: EngineError.self) { try await test.client.manifest(reference) }
  }

  @Test func isFetchedByTag() async throws {
    try await withFaultyServer { server in
      server.on("GET", path, .manifest(plainManifest))
      let fetched = try await TestClient().client.manifest(server.reference("a/b"))
      #expect(fetched.bytes == plainManifest)
      #expect(fetched.digest == Digest(of: plainManifest))
      #expect(fetched.mediaType == MediaType.ociManifest)
      let request = try #require(server.requests.first)
      #expect(request.fields["accept"]?.contains(MediaType.dockerManifestList) == true)
      #expect(request.fields["authorization"] == nil)
    }
  }

  @Test func theDigestOfTheReferenceDecides() async throws {
    try await withFaultyServer { server in
      let wanted = Digest(of: "something else".utf8)
      server.on("GET", "/v2/a/b/manifests/\(wanted)", .manifest(plainManifest, digest: wanted))
      let error = await failure(TestClient(), server.reference("a/b", digest: wanted))
      #expect(error?.kind == .digestMismatch)
      #expect(error?.causes.first?.contains(wanted.description) == true)
    }
  }

  @Test func aWrongDigestHeaderIsAMismatch() async throws {
    try await withFaultyServer { server in
      server.on("GET", path, .manifest(plainManifest, digest: Digest(of: "x".utf8)))
      #expect(await failure(TestClient(), server.reference("a/b"))?.kind == .digestMismatch)
    }
  }

  @Test(arguments: [
    (FaultyResponse(body: "<html>hello</html>".utf8), ErrorKind.corrupt),
    (FaultyResponse(body: []), .corrupt),
    (FaultyResponse(body: #"{"schemaVersion":2}"#.utf8), .corrupt),
    (.manifest(plainManifest, mediaType: MediaType.ociIndex), .corrupt),
    (FaultyResponse(body: #"{"schemaVersion":1,"fsLayers":[]}"#.utf8), .unsupported),
    (.failure(401, code: "UNAUTHORIZED", message: "authentication required"), .unauthorized),
    (.failure(403, code: "DENIED", message: "no"), .unauthorized),
    (.failure(405, code: "UNSUPPORTED", message: "no"), .unsupported),
    (.failure(400, code: "NAME_INVALID", message: "no"), .invalidArgument),
    (FaultyResponse(status: 404), .notFound),
    (FaultyResponse(status: 302), .corrupt),
    (.redirect(to: "ftp://127.0.0.1/x"), .unreachable),
    (FaultyResponse(fields: ["Content-Length": "5000000"], body: [], fault: .hangs(afterBytes: 0)), .corrupt),
  ])
  func aBadAnswerIsATypedErrorAtOnce(answer: FaultyResponse, kind: ErrorKind) async throws {
    try await withFaultyServer { server in
      server.on("GET", path, answer)
      let error = await failure(TestClient(), server.reference("a/b"))
      #expect(error?.kind == kind, "\(String(describing: error))")
      #expect(error?.message == "cannot fetch the manifest of \(server.host)/a/b:latest")
      #expect(error?.subject == "\(server.host)/a/b:latest")
      #expect(error?.causes.isEmpty == false)
      #expect(server.requests.count == 1)
    }
  }

  @Test(arguments: [FaultyResponse.Framing.chunked, .close])
  func aBodyBeyondTheLimitIsCutOff(framing: FaultyResponse.Framing) async throws {
    try await withFaultyServer { server in
      var answer = FaultyResponse(
        body: [UInt8](repeating: 32, count: 5 << 20), fault: .hangs(afterBytes: 5 << 20))
      answer.framing = framing
      server.on("GET", path, answer)
      #expect(await failure(TestClient(), server.reference("a/b"))?.kind == .corrupt)
    }
  }

  @Test func headersBeyondAllBoundsAreCutOff() async throws {
    try await withFaultyServer { server in
      var fields: [String: String] = [:]
      for index in 0..<100 { fields["X-\(index)"] = String(repeating: "y", count: 8000) }
      server.on("GET", path, FaultyResponse(fields: fields, body: plainManifest))
      #expect(await failure(TestClient(), server.reference("a/b"))?.kind == .corrupt)
    }
  }

  @Test func theRegistrysOwnWordsAreTheCauses() async throws {
    try await withFaultyServer { server in
      server.on(
        "GET", path, .failure(404, code: "MANIFEST_UNKNOWN", message: "manifest unknown\\u0007"),
        .failure(404, code: "NAME_UNKNOWN", message: "no"))
      let test = TestClient()
      let noTag = await failure(test, server.reference("a/b"))
      #expect(
        noTag?.causes == [
          "the registry has no such tag or digest in the repository", "MANIFEST_UNKNOWN: manifest unknown",
        ])
      #expect(noTag?.hint == "check the image's tag")
      let noName = await failure(test, server.reference("a/b"))
      #expect(noName?.causes.first == "the registry has no such repository")
    }
  }

  @Test func serverErrorsAreTriedAgain() async throws {
    try await withFaultyServer { server in
      server.on(
        "GET", path, FaultyResponse(status: 500), FaultyResponse(status: 503, fields: ["Retry-After": "2"]),
        FaultyResponse(status: 200, fault: .closesAtOnce), .manifest(plainManifest))
      let test = TestClient()
      let fetched = try await test.client.manifest(server.reference("a/b"))
      #expect(fetched.bytes == plainManifest)
      // The connection that was closed without a word had served before: libcurl itself makes another.
      #expect(test.pauses == [.milliseconds(250), .seconds(2)])
      #expect(server.requests.count == 4)
    }
  }

  @Test(arguments: [500, 502, 429, 408, 425])
  func lastingServerErrorsEndAsUnreachable(status: Int) async throws {
    try await withFaultyServer { server in
      server.on("GET", path, FaultyResponse(status: status))
      let test = TestClient { $0.retry.attempts = 3 }
      let error = await failure(test, server.reference("a/b"))
      #expect(error?.kind == .unreachable)
      #expect(error?.isRetriable == true)
      #expect(error?.causes.last == "gave up after 3 tries")
      #expect(server.requests.count == 3)
      #expect(test.pauses.count == 2)
    }
  }

  @Test func aLongRetryAfterIsToldInsteadOfWaitedFor() async throws {
    try await withFaultyServer { server in
      server.on("GET", path, FaultyResponse(status: 429, fields: ["Retry-After": "900"]))
      let test = TestClient()
      let error = await failure(test, server.reference("a/b"))
      #expect(error?.hint == "try again in 900 s")
      #expect(test.pauses.isEmpty)
    }
  }

  @Test func aServerThatIsSilentTimesOut() async throws {
    try await withFaultyServer { server in
      server.on("GET", path, FaultyResponse(fault: .silent))
      let test = TestClient {
        $0.stallTimeout = .milliseconds(100)
        $0.retry.attempts = 2
      }
      let error = await failure(test, server.reference("a/b"))
      #expect(error?.kind == .unreachable)
      #expect(error?.causes == ["the registry sent nothing for 0.1 s", "gave up after 2 tries"])
      #expect(test.pauses.count == 1)
    }
  }

  @Test func noServerAtAllIsToldAtOnceWithAHint() async throws {
    // The port was free a moment ago, and nobody else is told of it.
    let host = try await withFaultyServer { $0.host }
    let test = TestClient()
    let error = await failure(test, Reference(registry: host, repository: "a", tag: "b"))
    #expect(error?.kind == .unreachable)
    #expect(error?.hint == "is the registry running?")
    #expect(test.pauses.isEmpty)
  }

  @Test func cancellingEndsARequestThatHangs() async throws {
    try await withFaultyServer { server in
      server.on("GET", path, FaultyResponse(fault: .silent))
      let reference = server.reference("a/b")
      // Unwoken, the thread would wait for the whole of it.
      let client = TestClient { $0.stallTimeout = .seconds(3600) }.client
      let task = Task { try await client.manifest(reference) }
      try await server.arrival()
      task.cancel()
      let error = await #expect(throws: EngineError.self) {
        try await withPatience(Patience.wait) { try await task.value }
      }
      #expect(error?.kind == .cancelled)
    }
  }

  @Test func cancellingEndsTheWaitBetweenTries() async throws {
    try await withFaultyServer { server in
      server.on("GET", path, FaultyResponse(status: 503))
      let (waiting, waits) = AsyncStream<Void>.makeStream()
      let test = TestClient {
        $0.pause = { _ in
          waits.yield()
          try await Task.sleep(for: .seconds(3600))
        }
      }
      let reference = server.reference("a/b")
      let task = Task { try await test.client.manifest(reference) }
      try await waiting.first("wait between two tries")
      task.cancel()
      let error = await #expect(throws: EngineError.self) { try await task.value }
      #expect(error?.kind == .cancelled)
    }
  }
}
