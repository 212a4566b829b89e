import OCIModel
import RPCModel
import TestSupport
import Testing

@Suite("Settings")
struct SettingsTests {
  private func write(_ settings: String, _ store: TestStore) async throws {
    try await store.use(settings: settings)
  }

  @Test(
    "a mirror of the user's own settings is asked; what it says reaches the client",
    arguments: Account.available)
  func mirror(account: Account) async throws {
    try await withTestStore(account) { store in
      try await withFaultyServer { server in
        try await ServedImage(store).serve(on: server) { point, response in
          var response = response
          if point == .manifest { response.fields["Warning"] = #"299 - "old""# }
          return response
        }
        try await write(#"{"registries": {"r.example": {"mirrors": ["\#(server.host)"]}}}"#, store)
        let service = try await store.service()
        let pulled = try await service.send(ImagePull.self, .init(reference: "r.example/app:1"))
        #expect(pulled.image.references == ["r.example/app:1"])
        #expect(pulled.warnings == [RegistryWarning(registry: server.host, text: "old")])
        #expect(pulled.rateLimit == nil)
        #expect(await service.stop() == 0)
      }
    }
  }

  @Test("what a mirror sends wrong is fetched from the registry itself, and the client is told")
  func wrongMirror() async throws {
    let account = try #require(Account.available.first)
    for wrong in [PullPoint.config, .layer] {
      try await withTestStore(account) { store in
        try await withFaultyServer { mirror in
          try await withFaultyServer { registry in
            let image = try await ServedImage(store)
            image.serve(on: mirror) { point, response in
              guard point == wrong else { return response }
              var response = response
              response.body[response.body.count / 2] ^= 1
              return response
            }
            image.serve(on: registry)
            try await write(
              #"{"registries": {"\#(registry.host)": {"mirrors": ["\#(mirror.host)"]}}}"#, store)
            let service = try await store.service()
            let pulled = try await service.send(ImagePull.self, .init(reference: "\(registry.host)/app:1"))
            #expect(pulled.warnings?.map(\.registry) == [registry.host])
            #expect(pulled.warnings?.first?.text.contains("http://\(mirror.host)") == true)
            #expect(!registry.requests.contains { $0.target.contains("manifests") })
            let verified = try await service.send(ImageVerify.self, .init())
            #expect(verified.problems.isEmpty)
            #expect(await service.stop() == 0)
          }
        }
      }
    }
  }

  @Test(
    "what cannot be meant is said, with its place",
    arguments: [
      (
        #"{"registries": {"r.example": {"mirror": []}}}"#,
        "registries.r.example.mirror: there is no such setting"
      ),
      (#"{"concurrentLayers": 0}"#, "concurrentLayers: "), (#"{"registries": []}"#, "registries: "),
      ("{", "JSON"),
    ])
  func refused(settings: String, cause: String) async throws {
    let account = try #require(Account.available.first)
    try await withTestStore(account) { store in
      try await write(settings, store)
      let result = try await store.runProgram("coracle-repl", ["-c", "ping"])
      #expect(result.status != .exited(0))
      #expect(result.errorText.contains(cause), "\(result.errorText)")
      #expect(result.errorText.contains(".config/coracle/config.json"))
    }
  }
}

extension TestStore {
  /// Writes the user's own settings for the services that begin from now on.
  func use(settings: String) async throws {
    let made = try await ChildProcess.run(
      account.launcher + ["sh", "-c", "mkdir -p .config/coracle; cat > .config/coracle/config.json"],
      workingDirectory: directory, input: .bytes(Array(settings.utf8)))
    #expect(made.succeeded, "\(made.errorText)")
  }
}
