import Testing

@testable import Registry

@Suite struct WebAddressTests {
  @Test(arguments: [
    ("http://127.0.0.1:5000/v2/", true), ("http://127.255.1.2/", true), ("http://localhost/", true),
    ("http://LOCALHOST:80/", true), ("http://[::1]:5000/", true), ("http://127.1/", true),
    ("http://127.evil.example/", false), ("http://127.0.0.1.example/", false),
    ("http://localhost.example/", false), ("http://128.0.0.1/", false), ("http://[::2]/", false),
    ("http://0.0.0.0/", false), ("http://10.127.0.1/", false),
  ])
  func loopbackIsKnownByItsSpelling(text: String, isLoopback: Bool) throws {
    #expect(try #require(WebAddress(text)).isLoopback == isLoopback)
  }

  @Test(arguments: [
    "", "localhost", "ftp://h/", "file:///etc/passwd", "http://user:pw@h/", "http://user@h/",
    "http://a b/", "http://h/\u{1}", "gopher://h",
  ])
  func whatIsNoPlainWebAddressIsRefused(text: String) { #expect(WebAddress(text) == nil) }

  @Test(arguments: [
    ("/v2/x?state=1", "http://localhost:5000/v2/x?state=1"), ("other", "http://localhost:5000/v2/a/other"),
    ("https://cdn.example/x", "https://cdn.example/x"), ("//cdn.example/x", "http://cdn.example/x"),
  ])
  func isResolvedAgainstABase(location: String, expected: String) throws {
    let base = try #require(WebAddress("http://localhost:5000/v2/a/b"))
    #expect(WebAddress(location, relativeTo: base)?.text == expected)
  }

  @Test func theDefaultPortIsPartOfTheOrigin() {
    #expect(WebAddress("https://Example.com/a")?.origin == "https://example.com:443")
    #expect(WebAddress("http://example.com/")?.origin != WebAddress("https://example.com/")?.origin)
  }

  @Test func queriesGrowByEncodedParts() throws {
    let address = try #require(WebAddress("http://h/up?_state=a%2Fb"))
    #expect(
      address.adding("digest", "sha256:00&x")?.text.lowercased()
        == "http://h/up?_state=a%2fb&digest=sha256%3a00%26x")
  }

  @Test(arguments: [
    ("localhost:5000", "http://localhost:5000/"), ("127.0.0.1:1", "http://127.0.0.1:1/"),
    ("[::1]:9", "http://[::1]:9/"), ("ghcr.io", "https://ghcr.io/"),
    ("10.0.0.1:5000", "https://10.0.0.1:5000/"),
    ("docker.io", "https://registry-1.docker.io/"),
  ])
  func plainHTTPIsForLoopbackOnly(registry: String, expected: String) throws {
    let roots = try RegistryConfiguration().roots(ofRegistry: registry)
    #expect(roots.first.text == expected && roots.plain == nil)
  }
}

@Suite struct RedirectTests {
  private func response(_ status: Int, _ location: String?, from base: String) throws -> HTTPResponse {
    let fields = location.map { [(name: "location", value: $0)] } ?? []
    return HTTPResponse(
      head: ResponseHead(status: status, fields: fields), address: try #require(WebAddress(base)))
  }

  @Test func httpsNeverBecomesPlainHTTPButOnThisMachine() throws {
    let base = "https://registry.example/v2/"
    #expect(throws: TransferFailure.self) {
      try Redirect.next(after: response(307, "http://cdn.example/x", from: base), to: .get)
    }
    #expect(try Redirect.next(after: response(307, "https://cdn.example/x", from: base), to: .get) != nil)
    #expect(try Redirect.next(after: response(307, "http://127.0.0.1:1/x", from: base), to: .get) != nil)
  }

  @Test(arguments: ["file:///etc/passwd", "ftp://h/", "http://u:p@h/", "gopher://x"])
  func otherSchemesAndCredentialsAreRefused(location: String) throws {
    let redirect = try response(302, location, from: "http://localhost/")
    #expect(throws: TransferFailure.self) { try Redirect.next(after: redirect, to: .get) }
  }

  @Test func onlyRedirectsThatKeepTheMethodApplyToUploads() throws {
    #expect(try Redirect.next(after: response(302, "/x", from: "http://localhost/"), to: .put) == nil)
    #expect(try Redirect.next(after: response(307, "/x", from: "http://localhost/"), to: .put) != nil)
    #expect(try Redirect.next(after: response(302, nil, from: "http://localhost/"), to: .get) == nil)
    #expect(try Redirect.next(after: response(200, "/x", from: "http://localhost/"), to: .get) == nil)
  }
}
