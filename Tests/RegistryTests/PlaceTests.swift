import EngineErrors
import OCIModel
import TestSupport
import Testing

@testable import Registry

@Suite("Mirrors, and registries that are said to be insecure")
struct PlaceTests {
  private func roots(_ registry: String, _ settings: [String: RegistrySettings]) throws -> [String] {
    var configuration = RegistryConfiguration()
    configuration.registries = settings
    let reference = Reference(registry: registry, repository: "a/b", tag: "1")
    return try configuration.repositories(of: reference, for: .pull).map { place in
      "\(place.root.origin) \(place.name)" + (place.plainRoot.map { " or \($0.origin)" } ?? "")
    }
  }

  @Test("the mirrors come first, in their order, with their prefixes; the registry itself is last")
  func order() throws {
    let mirrors = RegistrySettings(mirrors: ["m.example/hub", "http://n.example:5000", "localhost:5001"])
    #expect(
      try roots("docker.io", ["docker.io": mirrors]) == [
        "https://m.example:443 hub/a/b", "http://n.example:5000 a/b", "http://localhost:5001 a/b",
        "https://registry-1.docker.io:443 a/b",
      ])
    #expect(
      try roots("r.example:99", ["r.example:99": RegistrySettings(isInsecure: true)]) == [
        "https://r.example:99 a/b or http://r.example:99"
      ])
    #expect(
      try roots("r.example", ["r.example": .init(mirrors: ["m:1"]), "m:1": .init(isInsecure: true)]) == [
        "https://m:1 a/b or http://m:1", "https://r.example:443 a/b",
      ])
    #expect(throws: (any Error).self) { try roots("r.example", ["r.example": .init(mirrors: ["ftp://m"])]) }
    var configuration = RegistryConfiguration()
    configuration.registries["docker.io"] = mirrors
    let pushed = try configuration.repositories(of: Reference(parsing: "a/b"), for: .push)
    #expect(pushed.map(\.root.host) == ["registry-1.docker.io"])
  }

  /// A client of a registry that nobody can reach, with these mirrors.
  private func client(_ mirrors: String...) -> (RegistryClient, Reference) {
    let test = TestClient {
      $0.endpoints["r.example"] = "http://127.0.0.1:1"
      $0.registries["r.example"] = RegistrySettings(mirrors: mirrors)
    }
    return (test.client, Reference(registry: "r.example", repository: "a", tag: "latest"))
  }

  @Test("what one mirror has not, cannot be asked for, or fails at, the next one is asked for")
  func fallBack() async throws {
    try await withFaultyServer { bad in
      try await withFaultyServer { good in
        let path = "/v2/a/manifests/latest"
        for answer in [
          FaultyResponse(status: 404), .failure(401, code: "UNAUTHORIZED", message: "no"),
          .failure(429, code: "TOOMANYREQUESTS", message: "no"),
          FaultyResponse(body: "no manifest".utf8, fault: .closes(afterBytes: 3)),
          FaultyResponse(fields: ["Content-Type": "text/html"], body: "<html>log in</html>".utf8),
        ] {
          bad.on("GET", path, answer)
          good.on("GET", "/v2/hub/a/manifests/latest", .manifest(plainManifest))
          let (client, reference) = client(bad.host, "\(good.host)/hub")
          let clientManifest = try await client.manifest(reference)
          #expect(clientManifest.bytes == plainManifest)
        }
        let asked = bad.requests.count
        #expect(asked == 5)
        let (client, reference) = client("127.0.0.1:1", bad.host)
        let error = await #expect(throws: EngineError.self) { try await client.manifest(reference) }
        #expect(error?.kind == .unreachable)
        #expect(error?.causes.contains { $0.hasPrefix("http://\(bad.host): ") } == true)
      }
    }
  }

  @Test("a blob goes on at the next place where one breaks, and a place that broke is not asked again soon")
  func brokenMirror() async throws {
    try await withFaultyServer { bad in
      try await withFaultyServer { good in
        let bytes = noise(300_000)
        let blob = layer(bytes)
        let path = "/v2/a/blobs/\(blob.digest)"
        bad.on("GET", path, .blob(bytes, fault: .closes(afterBytes: 100_000)))
        good.on("GET", path, .blob(bytes))
        let (client, reference) = client(bad.host, good.host)
        let sink = Sink()
        try await client.fetchBlob(reference, blob, receive: sink.receive)
        #expect(Digest(of: sink.bytes) == blob.digest)
        #expect(good.requests.first?.fields["range"] == "bytes=100000-")
        try await client.fetchBlob(reference, blob, receive: Sink().receive)
        #expect(bad.requests.count == 1)
      }
    }
  }

  @Test("one that is said to be insecure is asked with plain HTTP where it knows no TLS")
  func plain() async throws {
    try await withFaultyServer { server in
      server.on("GET", "/v2/a/manifests/latest", .manifest(plainManifest))
      let client = TestClient { $0.registries[server.host] = RegistrySettings(isInsecure: true) }.client
      let clientManifest = try await client.manifest(server.reference("a"))
      #expect(clientManifest.bytes == plainManifest)
      // A login too.
      server.on("GET", "/v2/", FaultyResponse(status: 200))
      try await client.check(.password(user: "ali", secret: "sesame"), for: server.host)
      let fresh = TestClient { $0.registries[server.host] = RegistrySettings(isInsecure: true) }.client
      try await fresh.check(.password(user: "ali", secret: "sesame"), for: server.host)
    }
  }

  @Test("one that is said to be insecure and has TLS is tried again and gone on with as any other")
  func insecureWithTLS() async throws {
    try await withTLSServer(blob: noise(300_000), manifest: plainManifest) { host in
      let test = TestClient { $0.registries[host] = RegistrySettings(isInsecure: true) }
      let reference = Reference(registry: host, repository: "a", tag: "latest")
      // A 503, a 429 and a connection that breaks come first.
      #expect(try await test.client.manifest(reference).bytes == plainManifest)
      // Libcurl itself asks again on a new connection where a kept one is found closed.
      let pauses = test.pauses.count
      #expect(pauses >= 2)
      let blob = layer(noise(300_000))
      let sink = Sink()
      try await test.client.fetchBlob(reference, blob, receive: sink.receive)
      #expect(Digest(of: sink.bytes) == blob.digest)
      #expect(test.pauses.count == pauses + 1)
      let missing = await #expect(throws: EngineError.self) {
        try await test.client.manifest(Reference(registry: host, repository: "none", tag: "latest"))
      }
      #expect(missing?.kind == .notFound)
    }
  }

  @Test("HTTP_PROXY is used for plain HTTP to others, and never for this machine")
  func proxy() async throws {
    try await withFaultyServer { proxy in
      proxy.on("GET", "http://r.example/v2/a/manifests/latest", .manifest(plainManifest))
      let client = TestClient {
        $0.plainProxy = "http://\(proxy.host)"
        $0.endpoints["r.example"] = "http://r.example"
      }.client
      let reference = Reference(registry: "r.example", repository: "a", tag: "latest")
      let clientManifest = try await client.manifest(reference)
      #expect(clientManifest.bytes == plainManifest)
      let own = await #expect(throws: EngineError.self) {
        try await client.manifest(Reference(registry: "127.0.0.1:1", repository: "a", tag: "latest"))
      }
      #expect(own?.kind == .unreachable && proxy.requests.count == 1)
    }
  }

  @Test("warnings and rate limits are collected, each once")
  func notices() async throws {
    try await withFaultyServer { server in
      var answer = FaultyResponse.manifest(plainManifest)
      answer.fields["Warning"] = #"299 - "this \"repository\" goes on Monday""#
      answer.fields["RateLimit-Limit"] = "100;w=21600"
      answer.fields["RateLimit-Remaining"] = "76;w=21600"
      server.on("GET", "/v2/a/manifests/latest", answer)
      let notices = RegistryNotices()
      try await RegistryNotices.$current.withValue(notices) {
        for _ in 1...2 { _ = try await TestClient().client.manifest(server.reference("a")) }
      }
      #expect(notices.warnings == [.init(registry: server.host, text: "this \"repository\" goes on Monday")])
      #expect(notices.rateLimit == .init(registry: server.host, limit: 100, remaining: 76, window: 21600))
      server.on(
        "GET", "/v2/a/manifests/latest",
        .failure(429, code: "TOOMANYREQUESTS", message: "no", fields: ["Retry-After": "120"]))
      let error = await #expect(throws: EngineError.self) {
        try await TestClient().client.manifest(server.reference("a"))
      }
      #expect(error?.retryAfter == .seconds(120))
    }
  }
}
