import EngineErrors
import Foundation
import OCIModel
import Registry
import SystemPackage
import TestSupport
import Testing

/// A user's Docker configuration, and helpers on a PATH of its own, in a directory of the test's.
private struct DockerHome: Sendable {
  let directory: FilePath

  init(_ directory: FilePath, config: String) throws {
    self.directory = directory
    try directory.appending("config.json").write(config.utf8)
  }

  func helper(_ name: String, _ script: String) throws {
    let path = directory.appending("docker-credential-\(name)")
    try path.write("#!/bin/sh\n\(script)\n".utf8)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path.string)
  }

  var credentials: RegistryCredentials {
    RegistryCredentials(directory: directory, environment: ["PATH": "\(directory):/usr/bin:/bin"])
  }

  func client() -> RegistryClient {
    let credentials = credentials
    return TestClient { $0.credential = { try await credentials.credential(for: $0) } }.client
  }
}

private func base64(_ text: String) -> String { Data(text.utf8).base64EncodedString() }

@Suite("Credentials from Docker's configuration")
struct CredentialTests {
  @Test(
    "a registry is found as Docker writes its name",
    arguments: [
      ("r.example:5000", "r.example:5000"), ("https://r.example:5000", "r.example:5000"),
      ("http://r.example:5000/v2/", "r.example:5000"), ("https://index.docker.io/v1/", "docker.io"),
    ])
  func names(server: String, registry: String) async throws {
    try await withTemporaryDirectory { directory in
      let home = try DockerHome(
        directory,
        config: #"{"auths":{"\#(server)":{"auth":"\#(base64("user:se:cret"))"},"other":{"auth":"eDp5"}}}"#)
      #expect(
        try await home.credentials.credential(for: registry) == .password(user: "user", secret: "se:cret"))
      #expect(try await home.credentials.credential(for: "elsewhere") == nil)
    }
  }

  @Test("no file is no credential; one that is no JSON is an error that names it")
  func files() async throws {
    try await withTemporaryDirectory { directory in
      let none = RegistryCredentials(directory: directory.appending("nothing"), environment: [:])
      #expect(try await none.credential(for: "r") == nil)
      let home = try DockerHome(directory, config: "{\"auths\":")
      let error = await #expect(throws: EngineError.self) { try await home.credentials.credential(for: "r") }
      #expect(error?.kind == .invalidArgument && error?.hint != nil)
    }
  }

  @Test("nobody waits for a helper that waits for a person, once the pull is cancelled")
  func cancelled() async throws {
    try await withTemporaryDirectory { directory in
      let home = try DockerHome(directory, config: #"{"credsStore":"slow"}"#)
      try home.helper("slow", "exec sleep 1000")
      let credentials = home.credentials
      let asking = Task { try await credentials.credential(for: "r") }
      asking.cancel()
      let error = await #expect(throws: EngineError.self) { try await asking.value }
      #expect(error?.kind == .cancelled, "\(error.map(String.init(describing:)) ?? "")")
    }
  }

  @Test("what the file has is forgotten also where the helper is not there, which is told")
  func lostHelper() async throws {
    try await withTemporaryDirectory { directory in
      let home = try DockerHome(
        directory, config: #"{"auths":{"r":{"auth":"\#(base64("a:b"))"}},"credsStore":"lost"}"#)
      let error = await #expect(throws: EngineError.self) { try await home.credentials.forget("r") }
      #expect(error?.kind == .notFound)
      let left = String(decoding: try directory.appending("config.json").readAll(), as: UTF8.self)
      #expect(!left.contains(base64("a:b")) && left.contains("lost"))
    }
  }

  @Test("a helper is asked for its registry, before the file; its failures are told, not its secrets")
  func helpers() async throws {
    try await withTemporaryDirectory { directory in
      let home = try DockerHome(
        directory,
        config: """
          {"auths":{"r":{"auth":"\(base64("file:file"))"}},"credsStore":"all","credHelpers":{"one":"only"}}
          """)
      try home.helper(
        "all", #"read s; echo "{\"ServerURL\":\"$s\",\"Username\":\"$1\",\"Secret\":\"of $s\"}""#)
      try home.helper(
        "only", #"read s; echo 'credentials not found in native keychain'; exit 1"#)
      #expect(try await home.credentials.credential(for: "r") == .password(user: "get", secret: "of r"))
      #expect(
        try await home.credentials.credential(for: "docker.io")
          == .password(user: "get", secret: "of https://index.docker.io/v1/"))
      #expect(try await home.credentials.credential(for: "one") == nil)

      try home.helper("all", #"echo '{"Username":"<token>","Secret":"T"}'"#)
      #expect(try await home.credentials.credential(for: "r") == .identityToken("T"))
      try home.helper("all", "echo the key ring is locked >&2; exit 3")
      let locked = await #expect(throws: EngineError.self) { try await home.credentials.credential(for: "r") }
      #expect(locked?.kind == .unauthorized)
      #expect(locked?.description.contains("the key ring is locked") == true)
    }
  }

  @Test("a helper that is not there, or is no name, is an error that says so")
  func missingHelpers() async throws {
    try await withTemporaryDirectory { directory in
      for name in ["nobody", "../bin/sh"] {
        let home = try DockerHome(directory, config: #"{"credHelpers":{"r":"\#(name)"}}"#)
        let error = await #expect(throws: EngineError.self) {
          try await home.credentials.credential(for: "r")
        }
        #expect([.notFound, .invalidArgument].contains(error?.kind))
      }
    }
  }

  @Test("a helper that leaves a process behind, or says too much, does not hold anyone up")
  func helperThatLingers() async throws {
    try await withTemporaryDirectory { directory in
      let home = try DockerHome(directory, config: #"{"credsStore":"slow"}"#)
      try home.helper("slow", #"sleep 100 & echo '{"Username":"u","Secret":"s"}'"#)
      #expect(try await home.credentials.credential(for: "r") == .password(user: "u", secret: "s"))
      try home.helper("slow", "head -c 3000000 /dev/zero; exit 1")
      let error = await #expect(throws: EngineError.self) { try await home.credentials.credential(for: "r") }
      #expect(error?.kind == .unauthorized)
    }
  }

  @Test("where an upload or a login is sent elsewhere, no credential goes there")
  func elsewhere() async throws {
    try await withTemporaryDirectory { directory in
      try await withFaultyServer { server in
        try await withFaultyServer { storage in
          let home = try DockerHome(
            directory, config: #"{"auths":{"\#(server.host)":{"auth":"\#(base64("me:it"))"}}}"#)
          let bytes = noise(100)
          let (file, blob) = (directory.appending("blob"), layer(bytes))
          try file.write(bytes)
          // The upload goes to storage, which sends it back to the registry, which asks who that is.
          server.on("HEAD", "/v2/a/b/blobs/\(blob.digest)", FaultyResponse(status: 404))
          server.on(
            "POST", "/v2/a/b/blobs/uploads/",
            FaultyResponse(status: 202, fields: ["Location": "http://\(storage.host)/upload"]))
          storage.on("PUT", "/upload", .redirect(to: "http://\(server.host)/v2/trap"))
          server.on(
            "PUT", "/v2/trap", FaultyResponse(status: 401, fields: ["WWW-Authenticate": "Basic realm=x"]))
          let error = await #expect(throws: EngineError.self) {
            try await home.client().pushBlob(server.reference("a/b"), blob, from: file)
          }
          #expect(error?.kind == .unauthorized)
          #expect(!storage.requests.isEmpty)
          #expect(storage.requests.allSatisfy { $0.fields["authorization"] == nil })

          server.on("GET", "/v2/", .redirect(to: "http://\(storage.host)/v2/"))
          storage.on(
            "GET", "/v2/", FaultyResponse(status: 401, fields: ["WWW-Authenticate": "Basic realm=x"]))
          let login = await #expect(throws: EngineError.self) {
            try await home.client().check(.password(user: "me", secret: "it"), for: server.host)
          }
          #expect(login?.kind == .unauthorized)
          #expect(storage.requests.allSatisfy { $0.fields["authorization"] == nil })
        }
      }
    }
  }

  @Test("a password opens a registry that asks for Basic, and is sent to no other place")
  func basic() async throws {
    try await withTemporaryDirectory { directory in
      let htpasswd = directory.appending("htpasswd")
      // Of "sesame", by crypt(3) with bcrypt.
      try htpasswd.write("ali:$2b$05$abcdefghijklmnopqrstuuKcS.CYWVYVaLiiCKrrc0A5s3mGesJ9O\n".utf8)
      try await withDockerRegistry(DockerRegistry.Settings(htpasswd: htpasswd)) { registry in
        func home(_ password: String) throws -> DockerHome {
          try DockerHome(
            directory, config: #"{"auths":{"\#(registry.host)":{"auth":"\#(base64("ali:\(password)"))"}}}"#)
        }
        let bytes = noise(1000)
        let (file, blob, reference) = (directory.appending("blob"), layer(bytes), registry.reference("a/b"))
        try file.write(bytes)
        let good = try home("sesame").client()
        #expect(try await good.pushBlob(reference, blob, from: file) == .uploaded)
        #expect(try await good.hasBlob(reference, blob.digest))
        let bad = try home("simsim").client()
        let error = await #expect(throws: EngineError.self) { try await bad.hasBlob(reference, blob.digest) }
        #expect(error?.kind == .unauthorized)
        let nobody = await #expect(throws: EngineError.self) {
          try await TestClient().client.hasBlob(reference, blob.digest)
        }
        #expect(nobody?.kind == .unauthorized)
      }
    }
  }

  @Test("a password, or an identity token, is turned into the token that a registry wants")
  func tokens() async throws {
    try await withTemporaryDirectory { directory in
      try await withFaultyServer { server in
        let path = "/v2/a/b/manifests/latest"
        let challenge = FaultyResponse(
          status: 401,
          fields: [
            "WWW-Authenticate":
              #"Bearer realm="http://\#(server.host)/token",service="s",scope="repository:a/b:pull""#
          ])
        for (config, method, sent, form) in [
          (#"{"auth":"\#(base64("me:it"))"}"#, "GET", "Basic \(base64("me:it"))" as String?, ""),
          (
            #"{"identitytoken":"a b"}"#, "POST", nil,
            "service=s&scope=repository%3Aa%2Fb%3Apull&grant_type=refresh_token&client_id=coracle&refresh_token=a%20b"
          ),
        ] {
          let home = try DockerHome(directory, config: #"{"auths":{"\#(server.host)":\#(config)}}"#)
          server.on(method, "/token", FaultyResponse(body: #"{"access_token":"T"}"#.utf8))
          server.on("GET", path, challenge, .manifest(plainManifest))
          _ = try await home.client().manifest(server.reference("a/b"))
          let asked = try #require(server.requests.last { $0.target.hasPrefix("/token") })
          #expect(asked.method == method && asked.fields["authorization"] == sent)
          #expect(String(decoding: asked.body, as: UTF8.self) == form)
          #expect(server.requests.last?.fields["authorization"] == "Bearer T")
        }
      }
    }
  }
}
