import RPCModel
import RPCTransport
import SystemPackage
import TestSupport
import Testing

@Suite("Logging in to a registry, from end to end")
struct LoginTests {
  // Of "sesame", by crypt(3) with bcrypt.
  static let htpasswd = "ali:$2b$05$abcdefghijklmnopqrstuuKcS.CYWVYVaLiiCKrrc0A5s3mGesJ9O\n"

  @Test(
    "a login opens pushes and pulls, in Docker's own file; a logout closes them", arguments: Account.available
  )
  func login(account: Account) async throws {
    try await withTestStore(account) { store in
      let users = store.directory.appending("htpasswd")
      try users.write(Self.htpasswd.utf8)
      try await withDockerRegistry(DockerRegistry.Settings(htpasswd: users)) { registry in
        let service = try await store.service()
        _ = try await service.importBusybox(store)
        let name = "\(registry.host)/demo/app:1"
        func refused(_ body: () async throws -> Void) async -> ErrorKind? {
          await #expect(throws: RPCError.self) { try await body() }?.data?.kind
        }
        func push() async throws {
          _ = try await service.send(ImagePush.self, .init(image: "busybox:1", destination: name))
        }
        #expect(await refused { try await push() } == .unauthorized)
        #expect(
          await refused {
            _ = try await service.send(
              RegistryLogin.self, .init(registry: registry.host, user: "ali", password: "simsim"))
          } == .unauthorized)

        let config = store.directory.appending(".docker/config.json")
        #expect(throws: (any Error).self) { try config.readAll() }
        let login = try await service.send(
          RegistryLogin.self, .init(registry: registry.host, user: "ali", password: "sesame"))
        #expect(login.helper == nil && login.configPath == config.string)
        let mode = try await ChildProcess.run(["stat", "-c", "%a", config.string])
        #expect(mode.text == "600\n")
        try await push()
        #expect(try await service.send(ImagePull.self, .init(reference: name)).image.layerCount == 1)

        // A login by Docker's own tools is the same.
        let inspected = try await ChildProcess.run([
          "skopeo", "inspect", "--tls-verify=false", "--authfile", config.string, "docker://\(name)",
        ])
        #expect(inspected.succeeded, "\(inspected.errorText)")

        let logout = try await service.send(RegistryLogout.self, .init(registry: registry.host))
        #expect(logout.wasKnown)
        #expect(await refused { try await push() } == .unauthorized)
        #expect(try await !service.send(RegistryLogout.self, .init(registry: registry.host)).wasKnown)
        #expect(await service.stop() == 0)
      }
    }
  }

  @Test("a helper keeps the password where one is named, and the rest of the file stays")
  func helper() async throws {
    let account = try #require(Account.available.first)
    try await withTestStore(account) { store in
      try await withFaultyServer { server in
        server.on("GET", "/v2/", FaultyResponse(body: "{}".utf8))
        let docker = store.directory.appending(".docker")
        let kept = store.directory.appending("kept")
        let helper = store.directory.appending("docker-credential-box")
        _ = try await ChildProcess.run(["mkdir", docker.string])
        try docker.appending("config.json").write(
          #"{"credsStore":"box","detachKeys":"ctrl-q","auths":{"other":{"auth":"eDp5"}}}"#.utf8)
        try helper.write(
          """
          #!/bin/sh
          case $1 in
          store) cat > \(kept) ;;
          get) test -s \(kept) && cat \(kept) && exit; echo credentials not found in native keychain; exit 1 ;;
          erase) rm \(kept) ;;
          esac
          """.utf8)
        _ = try await ChildProcess.run(["chmod", "755", helper.string])
        let service = try await store.service(path: "\(store.directory):/usr/bin:/bin")
        let login = try await service.send(
          RegistryLogin.self, .init(registry: server.host, user: "ali", password: "sesame"))
        #expect(login.helper == "box")
        #expect(String(decoding: try kept.readAll(), as: UTF8.self).contains("sesame"))
        let text = String(decoding: try docker.appending("config.json").readAll(), as: UTF8.self)
        #expect(text.contains("ctrl-q") && text.contains("eDp5") && !text.contains("sesame"))
        #expect(try await service.send(RegistryLogout.self, .init(registry: server.host)).wasKnown)
        #expect(throws: (any Error).self) { try kept.readAll() }
        #expect(await service.stop() == 0)
      }
    }
  }

  @Test("a name that is no registry's, or a user that is none, is refused before anyone is asked")
  func wrongNames() async throws {
    let account = try #require(Account.available.first)
    try await withTestStore(account) { store in
      let service = try await store.service()
      for (registry, user) in [("has space", "ali"), ("http://127.0.0.1:1/x", "ali"), ("127.0.0.1:1", "a:b")]
      {
        let error = await #expect(throws: RPCError.self) {
          try await service.send(RegistryLogin.self, .init(registry: registry, user: user, password: "x"))
        }
        #expect(error?.data?.kind == .invalidArgument)
      }
      #expect(await service.stop() == 0)
    }
  }
}
