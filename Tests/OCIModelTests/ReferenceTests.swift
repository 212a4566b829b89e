import EngineErrors
import OCIModel
import Testing

@Suite struct ReferenceTests {
  @Test(arguments: [
    ("nginx", "docker.io/library/nginx:latest"),
    ("nginx:1.27", "docker.io/library/nginx:1.27"),
    ("someone/tool", "docker.io/someone/tool:latest"),
    ("docker.io/nginx", "docker.io/library/nginx:latest"),
    ("index.docker.io/nginx", "docker.io/library/nginx:latest"),
    ("docker.io/library/nginx:latest", "docker.io/library/nginx:latest"),
    ("localhost/a", "localhost/a:latest"),
    ("localhost:5000/a/b/c:v1", "localhost:5000/a/b/c:v1"),
    ("127.0.0.1:5000/a", "127.0.0.1:5000/a:latest"),
    ("[::1]:5000/a:t", "[::1]:5000/a:t"),
    ("ghcr.io/o/r-x__y.z", "ghcr.io/o/r-x__y.z:latest"),
    ("a---b/c", "docker.io/a---b/c:latest"),
    ("registry.example:443/x:_T.-9", "registry.example:443/x:_T.-9"),
  ])
  func isReadInItsFullForm(text: String, full: String) throws {
    let reference = try Reference(parsing: text)
    #expect(reference.description == full)
    #expect(try Reference(parsing: full) == reference)
  }

  @Test func aDigestNeedsNoTag() throws {
    let hex = String(repeating: "a", count: 64)
    let bare = try Reference(parsing: "nginx@sha256:\(hex)")
    #expect(bare.tag == nil)
    #expect(bare.manifestName == "sha256:\(hex)")
    let both = try Reference(parsing: "localhost:5000/x:1@sha256:\(hex)")
    #expect(both.tag == "1")
    #expect(both.manifestName == "sha256:\(hex)")
    #expect(both.description == "localhost:5000/x:1@sha256:\(hex)")
  }

  @Test(arguments: [
    ("nginx", "nginx:latest"), ("someone/tool:1", "someone/tool:1"),
    ("localhost:5000/a", "localhost:5000/a:latest"),
  ])
  func isFamiliarAsPeopleWriteIt(text: String, familiar: String) throws {
    #expect(try Reference(parsing: text).familiar == familiar)
  }

  @Test(arguments: [
    "", " ", "my image", "nginx ", " nginx", "Nginx", "nginx:", "nginx:a b", "nginx:-x", "nginx@",
    "nginx@sha256:12",
    "nginx@md5:00", "a//b", "/a", "a/", "localhost:5000/", "localhost:99999/a", "localhost:port/a", "a_/b",
    ".a",
    "a/../b", "-a/b", "a\n", "a\u{0}b", "ä", "https://localhost/a", "user@localhost/a", "[::1/a",
    "exa mple.com/a",
    "nginx:" + String(repeating: "t", count: 129), String(repeating: "a", count: 256),
    String(repeating: "0", count: 64), String(repeating: "a/", count: 5000) + "b",
  ])
  func isRefusedWithTheReason(text: String) {
    let error = #expect(throws: EngineError.self) { try Reference(parsing: text) }
    #expect(error?.kind == .invalidArgument)
    #expect(error?.causes.isEmpty == false)
    #expect(error?.hint != nil)
    #expect((error?.message.count ?? 0) < 300)
  }

  @Test func theLongestTagIsRead() throws {
    let tag = String(repeating: "t", count: 128)
    #expect(try Reference(parsing: "nginx:" + tag).tag == tag)
  }
}
