import EngineErrors
import OCIModel
import Registry
import SystemPackage
import Synchronization
import TestSupport
import Testing

@Suite struct PushTests {
  private let bytes = noise(700_000)
  private var blob: Descriptor { layer(bytes) }
  private var digestQuery: String { "digest=sha256%3a\(blob.digest.hex)" }

  private func withFile(_ body: @Sendable (FaultyServer, FilePath) async throws -> Void) async throws {
    try await withTemporaryDirectory { directory in
      let path = directory.appending("blob")
      try path.write(bytes)
      try await withFaultyServer { server in try await body(server, path) }
    }
  }

  @Test func uploadsToARelativeLocationAndKeepsItsQuery() async throws {
    try await withFile { server, path in
      server.on(
        "POST", "/v2/a/blobs/uploads/", FaultyResponse(status: 202, fields: ["Location": "/up/1?_state=x"]))
      server.on("PUT", "/up/1", FaultyResponse(status: 201))
      let sent = Mutex<Int64>(0)
      let outcome = try await TestClient().client.pushBlob(server.reference("a"), blob, from: path) { count in
        sent.withLock { $0 = count }
      }
      #expect(outcome == .uploaded)
      #expect(sent.withLock { $0 } == 700_000)
      let put = try #require(server.requests.last)
      #expect(put.target.lowercased() == "/up/1?_state=x&\(digestQuery)")
      #expect(put.body == bytes)
      #expect(put.fields["content-length"] == "700000")
      #expect(put.fields["expect"] == nil)
      #expect(server.requests.map(\.method) == ["POST", "PUT"])
    }
  }

  @Test func aBrokenUploadStartsAnew() async throws {
    try await withFile { server, path in
      server.on(
        "POST", "/v2/a/blobs/uploads/",
        FaultyResponse(status: 202, fields: ["Location": "http://\(server.host)/up/1"]),
        FaultyResponse(status: 202, fields: ["Location": "http://\(server.host)/up/2"]))
      server.on("PUT", "/up/1", FaultyResponse(fault: .closesAtOnce))
      server.on(
        "PUT", "/up/2",
        FaultyResponse(status: 201, fields: ["Docker-Content-Digest": blob.digest.description]))
      try await TestClient().client.pushBlob(server.reference("a"), blob, from: path)
      #expect(server.requests.last?.body == bytes)
    }
  }

  /// An upload in pieces whose second piece breaks: the registry says what it has of it.
  @Test func aBrokenPieceIsSentAgainFromWhatTheRegistryHas() async throws {
    try await withFile { server, path in
      server.on("POST", "/v2/a/blobs/uploads/", FaultyResponse(status: 202, fields: ["Location": "/up/1"]))
      server.on(
        "PATCH", "/up/1", FaultyResponse(status: 202, fields: ["Location": "/up/2", "Range": "0-299999"]))
      server.on("PATCH", "/up/2", FaultyResponse(fault: .closesAtOnce))
      server.on(
        "GET", "/up/2", FaultyResponse(status: 204, fields: ["Location": "/up/3", "Range": "0-449999"]))
      server.on("PUT", "/up/3", FaultyResponse(status: 201))
      let test = TestClient { $0.uploadChunk = 300_000 }
      #expect(try await test.client.pushBlob(server.reference("a"), blob, from: path) == .uploaded)
      // libcurl itself sends a piece again on a new connection where the old one was found closed.
      let methods = server.requests.map(\.method)
      #expect(methods.prefix(3) == ["POST", "PATCH", "PATCH"] && methods.suffix(2) == ["GET", "PUT"])
      let last = try #require(server.requests.last)
      #expect(last.body == Array(bytes[450_000...]))
      #expect(last.fields["content-range"] == "450000-699999")
    }
  }

  @Test func aPieceMayDrainForAsLongAsAWholeBlob() async throws {
    try await withFile { server, path in
      server.on("POST", "/v2/a/blobs/uploads/", FaultyResponse(status: 202, fields: ["Location": "/up/1"]))
      server.on("PATCH", "/up/1", FaultyResponse(fault: .silent))
      let test = TestClient {
        $0.uploadChunk = 300_000
        $0.stallTimeout = .seconds(100)
        $0.commitTimeout = .milliseconds(200)
        $0.retry.attempts = 1
      }
      let error = await #expect(throws: EngineError.self) {
        try await test.client.pushBlob(server.reference("a"), blob, from: path)
      }
      #expect(error?.causes.first == "the registry sent nothing for 0.2 s")
    }
  }

  @Test func whereTheRegistryHasItAllNothingIsLeftToSayARangeOf() async throws {
    try await withFile { server, path in
      server.on("POST", "/v2/a/blobs/uploads/", FaultyResponse(status: 202, fields: ["Location": "/up/1"]))
      server.on(
        "PATCH", "/up/1", FaultyResponse(status: 202, fields: ["Location": "/up/2", "Range": "0-399999"]))
      server.on("PUT", "/up/2", .failure(503, code: "UNAVAILABLE", message: "later"))
      server.on(
        "GET", "/up/2", FaultyResponse(status: 204, fields: ["Location": "/up/3", "Range": "0-699999"]))
      server.on("PUT", "/up/3", FaultyResponse(status: 201))
      let test = TestClient { $0.uploadChunk = 400_000 }
      #expect(try await test.client.pushBlob(server.reference("a"), blob, from: path) == .uploaded)
      let last = try #require(server.requests.last)
      #expect(last.body.isEmpty && last.fields["content-range"] == nil)
    }
  }

  @Test func aMountThatIsAskedForTooOftenIsAskedForAgain() async throws {
    try await withFile { server, path in
      server.on(
        "POST", "/v2/a/blobs/uploads/",
        .failure(429, code: "TOOMANYREQUESTS", message: "slowly", fields: ["Retry-After": "1"]),
        FaultyResponse(status: 201, fields: ["Location": "/x"]))
      let test = TestClient()
      let outcome = try await test.client.pushBlob(
        server.reference("a"), blob, from: path, mountingFrom: "b/c")
      #expect(outcome == .mounted && test.pauses == [.seconds(1)])
    }
  }

  @Test func whatAnotherRepositoryHasIsMountedOrElseSent() async throws {
    try await withFile { server, path in
      let uploads = "/v2/a/blobs/uploads/"
      let offer = FaultyResponse(status: 202, fields: ["Location": "/up/1"])
      server.on("POST", uploads, FaultyResponse(status: 201, fields: ["Location": "/x"]), offer)
      server.on("PUT", "/up/1", FaultyResponse(status: 201))
      let client = TestClient().client
      func push() async throws -> PushOutcome? {
        try await client.pushBlob(server.reference("a"), blob, from: path, mountingFrom: "b/c")
      }
      let mounted = try await push()
      #expect(mounted == .mounted)
      #expect(server.requests.last?.target.lowercased().contains("from=b%2fc") == true)
      let sent = try await push()
      #expect(sent == .uploaded)
      // Refused, since this client may not read there: it asks for an upload alone.
      server.on("POST", uploads, .failure(403, code: "DENIED", message: "no"), offer)
      let sentAfterRefusal = try await push()
      #expect(sentAfterRefusal == .uploaded)
      #expect(server.requests.map(\.method) == ["POST", "POST", "PUT", "POST", "POST", "PUT"])
    }
  }

  @Test func anotherDigestStoredIsAMismatch() async throws {
    try await withFile { server, path in
      server.on("POST", "/v2/a/blobs/uploads/", FaultyResponse(status: 202, fields: ["Location": "/up/1"]))
      server.on(
        "PUT", "/up/1",
        FaultyResponse(status: 201, fields: ["Docker-Content-Digest": Digest(of: "x".utf8).description]))
      let error = await #expect(throws: EngineError.self) {
        try await TestClient().client.pushBlob(server.reference("a"), blob, from: path)
      }
      #expect(error?.kind == .digestMismatch)
    }
  }

  @Test func aFileOfAnotherSizeIsNotSent() async throws {
    try await withFile { server, path in
      try path.write([1, 2, 3])
      let error = await #expect(throws: EngineError.self) {
        try await TestClient().client.pushBlob(server.reference("a"), blob, from: path)
      }
      #expect(error?.kind == .corrupt)
      #expect(server.requests.isEmpty)
      let missing = await #expect(throws: EngineError.self) {
        try await TestClient().client.pushBlob(server.reference("a"), blob, from: path.appending("none"))
      }
      #expect(missing != nil)
    }
  }

  @Test(arguments: [
    (401, ErrorKind.unauthorized), (403, .unauthorized), (405, .unsupported), (413, .invalidArgument),
  ])
  func aRefusedUploadIsTyped(status: Int, kind: ErrorKind) async throws {
    try await withFile { server, path in
      server.on(
        "POST", "/v2/a/blobs/uploads/", .failure(status, code: "DENIED", message: "requested access denied"))
      let error = await #expect(throws: EngineError.self) {
        try await TestClient().client.pushBlob(server.reference("a"), blob, from: path)
      }
      #expect(error?.kind == kind)
      #expect(error?.causes.last == "DENIED: requested access denied")
    }
  }

  @Test func cancellingEndsAnUploadThatHangs() async throws {
    try await withFile { server, path in
      server.on("POST", "/v2/a/blobs/uploads/", FaultyResponse(status: 202, fields: ["Location": "/up/1"]))
      server.on("PUT", "/up/1", FaultyResponse(fault: .silent))
      let (reference, blob) = (server.reference("a"), blob)
      let task = Task { try await TestClient().client.pushBlob(reference, blob, from: path) }
      try await server.arrival("PUT")
      task.cancel()
      let error = await #expect(throws: EngineError.self) { try await task.value }
      #expect(error?.kind == .cancelled)
    }
  }

  @Test func aManifestIsCheckedBothWays() async throws {
    try await withFaultyServer { server in
      let client = TestClient().client
      let other = Digest(of: "x".utf8)
      server.on(
        "PUT", "/v2/a/manifests/latest",
        FaultyResponse(status: 201, fields: ["Docker-Content-Digest": other.description]),
        FaultyResponse(status: 201))
      let stored = await #expect(throws: EngineError.self) {
        try await client.pushManifest(server.reference("a"), plainManifest, mediaType: MediaType.ociManifest)
      }
      #expect(stored?.kind == .digestMismatch)
      let named = await #expect(throws: EngineError.self) {
        try await client.pushManifest(
          server.reference("a", digest: other), plainManifest, mediaType: MediaType.ociManifest)
      }
      #expect(named?.kind == .digestMismatch)
      let digest = try await client.pushManifest(
        server.reference("a"), plainManifest, mediaType: MediaType.ociManifest)
      #expect(digest == Digest(of: plainManifest))
      #expect(server.requests.last?.fields["content-type"] == MediaType.ociManifest)
      #expect(server.requests.count == 2)
    }
  }
}
