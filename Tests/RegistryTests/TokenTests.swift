import EngineErrors
import OCIModel
import Registry
import TestSupport
import Testing

@Suite struct TokenTests {
  private let path = "/v2/a/b/manifests/latest"

  private func challenge(_ realm: String) -> FaultyResponse {
    FaultyResponse(
      status: 401,
      fields: ["WWW-Authenticate": #"Bearer realm="\#(realm)",service="s",scope="repository:a/b:pull""#])
  }

  @Test func anAnonymousTokenIsFetchedAndKept() async throws {
    try await withFaultyServer { server in
      server.on("GET", "/token", FaultyResponse(body: #"{"token":"T1","expires_in":300}"#.utf8))
      server.on("GET", path, challenge("http://\(server.host)/token"), .manifest(plainManifest))
      let client = TestClient().client
      _ = try await client.manifest(server.reference("a/b"))
      _ = try await client.manifest(server.reference("a/b"))
      #expect(
        server.requests.map { $0.target.lowercased() } == [
          path, "/token?service=s&scope=repository%3aa%2fb%3apull", path, path,
        ])
      #expect(server.requests.map { $0.fields["authorization"] } == [nil, nil, "Bearer T1", "Bearer T1"])
    }
  }

  @Test func eachScopeOfAChallengeIsAskedForByItself() async throws {
    try await withTemporaryDirectory { directory in
      try await withFaultyServer { server in
        let bytes = noise(1000)
        try directory.appending("blob").write(bytes)
        server.on("GET", "/token", FaultyResponse(body: #"{"token":"T"}"#.utf8))
        server.on(
          "POST", "/v2/a/b/blobs/uploads/",
          FaultyResponse(
            status: 401,
            fields: [
              "WWW-Authenticate":
                #"Bearer realm="http://\#(server.host)/token",service="s",scope="repository:a/b:pull,push repository:c:pull""#
            ]), FaultyResponse(status: 201, fields: ["Location": "/x"]))
        let outcome = try await TestClient().client.pushBlob(
          server.reference("a/b"), layer(bytes), from: directory.appending("blob"), mountingFrom: "c")
        #expect(outcome == .mounted)
        let asked = server.requests.map { $0.target.lowercased() }.first { $0.hasPrefix("/token") }
        #expect(
          asked == "/token?service=s&scope=repository%3aa%2fb%3apull%2cpush&scope=repository%3ac%3apull")
      }
    }
  }

  @Test func aTokenThatHasLapsedIsReplaced() async throws {
    try await withFaultyServer { server in
      let again = challenge("http://\(server.host)/token")
      server.on(
        "GET", "/token", FaultyResponse(body: #"{"access_token":"T1"}"#.utf8),
        FaultyResponse(body: #"{"access_token":"T2"}"#.utf8))
      server.on("GET", path, again, .manifest(plainManifest), again, .manifest(plainManifest))
      let client = TestClient().client
      _ = try await client.manifest(server.reference("a/b"))
      _ = try await client.manifest(server.reference("a/b"))
      #expect(server.requests.last?.fields["authorization"] == "Bearer T2")
    }
  }

  @Test func theTokenStaysWithTheRegistry() async throws {
    try await withFaultyServer { server in
      try await withFaultyServer { storage in
        let bytes = noise(1000)
        let blob = layer(bytes)
        server.on("GET", "/token", FaultyResponse(body: #"{"token":"secret"}"#.utf8))
        server.on(
          "GET", "/v2/a/b/blobs/\(blob.digest)", challenge("http://\(server.host)/token"),
          .redirect(to: "http://\(storage.host)/data"))
        storage.on("GET", "/data", .blob(bytes))
        let sink = Sink()
        try await TestClient().client.fetchBlob(server.reference("a/b"), blob, receive: sink.receive)
        #expect(sink.bytes == bytes)
        #expect(server.requests.last?.fields["authorization"] == "Bearer secret")
        #expect(storage.requests.map { $0.fields["authorization"] } == [nil])
      }
    }
  }

  @Test func aTokenThatDoesNotHelpIsUnauthorized() async throws {
    try await withFaultyServer { server in
      server.on("GET", "/token", FaultyResponse(body: #"{"token":"T"}"#.utf8))
      server.on("GET", path, challenge("http://\(server.host)/token"))
      let error = await #expect(throws: EngineError.self) {
        try await TestClient().client.manifest(server.reference("a/b"))
      }
      #expect(error?.kind == .unauthorized)
      #expect(server.requests.count == 3)
    }
  }

  @Test(arguments: ["http://auth.example/token", "ftp://127.0.0.1/", "nonsense", ""])
  func aRealmThatIsNotSecureIsNotAsked(realm: String) async throws {
    try await withFaultyServer { server in
      server.on("GET", path, challenge(realm))
      let error = await #expect(throws: EngineError.self) {
        try await TestClient().client.manifest(server.reference("a/b"))
      }
      #expect(error?.kind == .unreachable)
      #expect(server.requests.count == 1)
    }
  }

  @Test(arguments: ["{}", "no json", #"{"token":""}"#, #"{"token":"a\r\nX-Injected: 1"}"#])
  func aTokenAnswerWithoutAUsableTokenIsCorrupt(body: String) async throws {
    try await withFaultyServer { server in
      server.on("GET", "/token", FaultyResponse(body: body.utf8))
      server.on("GET", path, challenge("http://\(server.host)/token"))
      let error = await #expect(throws: EngineError.self) {
        try await TestClient().client.manifest(server.reference("a/b"))
      }
      #expect(error?.kind == .corrupt)
      #expect(server.requests.allSatisfy { $0.fields["x-injected"] == nil })
    }
  }
}
