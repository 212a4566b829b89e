import EngineErrors
import OCIModel
import RPCModel
import TestSupport
import Testing

@Suite("Images that a registry should not serve")
struct HostileImageTests {
  /// Pulls what `serve` makes a server serve as `app:1`, and checks that the service goes on and the store is as before.
  private func pull(
    _ serve: @Sendable (TestStore, FaultyServer) async throws -> Void
  ) async throws -> RPCModel.ErrorKind? {
    let account = try #require(Account.available.first)
    return try await withTestStore(account) { store in
      try await withFaultyServer { server in
        try await serve(store, server)
        let service = try await store.service()
        let name = "\(server.host)/app:1"
        let error = await #expect(throws: RPCError.self) {
          try await service.send(ImagePull.self, .init(reference: name))
        }
        #expect(try await service.send(ImageList.self, .init()).images.isEmpty)
        let left = try await ChildProcess.run(
          ["find", "layers", "staging", "-mindepth", "1", "-not", "-name", "*.lock"],
          workingDirectory: store.store)
        #expect(left.text.isEmpty)
        #expect(await service.stop() == 0)
        return error?.data?.kind
      }
    }
  }

  /// An index of one image, for this machine.
  private func index(of document: [UInt8], _ mediaType: String) -> [UInt8] {
    Array(
      """
      {"schemaVersion":2,"mediaType":"\(MediaType.ociIndex)","manifests":[
       {"mediaType":"\(mediaType)","digest":"\(Digest(of: document))","size":\(document.count),
        "platform":{"architecture":"\(Platform.host.architecture)","os":"linux"}}]}
      """.utf8)
  }

  @Test("a manifest of 100 MB is cut off, with or without its length")
  func hugeManifest() async throws {
    for framing in [FaultyResponse.Framing.length, .chunked] {
      let kind = try await pull { _, server in
        var answer = FaultyResponse.manifest([UInt8](repeating: 32, count: 100 << 20))
        answer.framing = framing
        server.on("GET", "/v2/app/manifests/1", answer)
      }
      #expect(kind == .corrupt)
    }
  }

  @Test(
    "configurations that are none",
    arguments: [
      #"{"rootfs":{"type":"layers","diff_ids":[]}}"#, #"{"rootfs":5}"#, "[]", "null", "",
      #"{"os":[],"rootfs":{"type":"layers","diff_ids":["DIFFID"]}}"#,
      #"{"config":{"Env":{"A":1}},"rootfs":{"type":"layers","diff_ids":["DIFFID"]}}"#,
      #"{"config":{"Cmd":"sh"},"rootfs":{"type":"layers","diff_ids":["DIFFID"]}}"#,
      #"{"rootfs":{"type":"layers","diff_ids":["sha256:../../../etc/passwd"]}}"#,
      #"{"rootfs":{"type":"layers","diff_ids":["sha512:00"]}}"#, "NESTED",
    ])
  func configurations(text: String) async throws {
    let kind = try await pull { store, server in
      var image = try await ServedImage(store)
      let diffID = Digest(of: try await store.busyboxArchive().readAll()).description
      let nested = String(repeating: "[", count: 1_000_000)
      image.use(config: text == "NESTED" ? nested : text.replacing("DIFFID", with: diffID))
      image.serve(on: server)
    }
    #expect(kind == .corrupt)
  }

  @Test("layers whose descriptors lie about their size, and diffIDs that are others'")
  func lies() async throws {
    for size in ["1", "9223372036854775807", "-1", "1e300", "\"5\""] {
      let kind = try await pull { store, server in
        var image = try await ServedImage(store)
        image.replace("\"size\":\(image.layers[0].count)", with: "\"size\":\(size)")
        image.serve(on: server)
      }
      #expect(kind == .corrupt || kind == .unreachable, "\(size): \(String(describing: kind))")
    }
    let kind = try await pull { store, server in
      var image = try await ServedImage(store)
      let other = Digest(of: "other".utf8)
      image.use(
        config: #"{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":["\#(other)"]}}"#)
      image.serve(on: server)
    }
    #expect(kind == .digestMismatch)
  }

  @Test("indexes of indexes are followed, but not for ever")
  func nestedIndexes() async throws {
    let account = try #require(Account.available.first)
    try await withTestStore(account) { store in
      try await withFaultyServer { server in
        let image = try await ServedImage(store)
        image.serve(on: server)
        var document = image.manifest
        var type = MediaType.ociManifest
        let service = try await store.service()
        for depth in 1...8 {
          server.on("GET", "/v2/app/manifests/\(Digest(of: document))", .manifest(document, mediaType: type))
          document = index(of: document, type)
          type = MediaType.ociIndex
          server.on("GET", "/v2/app/manifests/depth\(depth)", .manifest(document, mediaType: type))
          let name = "\(server.host)/app:depth\(depth)"
          if depth <= 2 {
            #expect(try await service.send(ImagePull.self, .init(reference: name)).image.layerCount == 1)
          } else if depth == 8 {
            let error = await #expect(throws: RPCError.self) {
              try await service.send(ImagePull.self, .init(reference: name))
            }
            #expect(error?.data?.kind == .corrupt)
          }
        }
        // One that says it is its own part, under a digest that is not its own.
        let own = index(of: image.manifest, MediaType.ociIndex)
        server.on("GET", "/v2/app/manifests/own", .manifest(own, mediaType: MediaType.ociIndex))
        server.on(
          "GET", "/v2/app/manifests/\(Digest(of: image.manifest))",
          .manifest(own, mediaType: MediaType.ociIndex))
        let error = await #expect(throws: RPCError.self) {
          try await service.send(ImagePull.self, .init(reference: "\(server.host)/app:own"))
        }
        #expect(error?.data?.kind == .digestMismatch)
        #expect(await service.stop() == 0)
      }
    }
  }

  @Test("an image of 1,000 layers is refused before any is fetched")
  func manyLayers() async throws {
    let kind = try await pull { store, server in
      let image = try await ServedImage(
        layers: (0..<1000).map { Array("layer \($0)".utf8) },
        diffIDs: (0..<1000).map { Digest(of: "\($0)".utf8) })
      image.serve(on: server)
    }
    #expect(kind == .unsupported)
  }

  @Test("an image of 600 layers that lean on those below is refused, though they are one and the same")
  func leaningLayers() async throws {
    let kind = try await pull { store, server in
      let made = try await ChildProcess.run(
        ["sh", "-ec", "mkdir -p l/a/b; echo x > l/a/b/f; tar -C l --owner 0 --group 0 -cf - a/b/f; rm -r l"],
        workingDirectory: store.directory)
      #expect(made.succeeded, "\(made.errorText)")
      let tar = made.stdout
      try await ServedImage(
        layers: Array(repeating: tar, count: 600), diffIDs: Array(repeating: Digest(of: tar), count: 600)
      ).serve(on: server)
    }
    #expect(kind == .unsupported)
  }

  @Test(
    "an image may have the same layer several times, and as many as the kernel stacks",
    arguments: Account.available)
  func repeatedLayers(account: Account) async throws {
    try await withTestStore(account) { store in
      try await withFaultyServer { server in
        let base = try await store.busyboxArchive().readAll()
        func layer(_ script: String) async throws -> [UInt8] {
          let made = try await ChildProcess.run(
            ["sh", "-ec", "mkdir l; cd l; \(script); tar --owner 0 --group 0 -cf - .; cd ..; rm -r l"],
            workingDirectory: store.directory)
          return made.stdout
        }
        let one = try await layer("echo one > file; mkdir d; echo d > d/one")
        let two = try await layer("echo two > file; touch .wh.d")
        let image = try await ServedImage(tars: [base, one, two, one])
        image.serve(on: server)
        let service = try await store.service()
        let name = "\(server.host)/app:1"
        _ = try await service.send(ImagePull.self, .init(reference: name))
        #expect(
          try await service.run(name, ["sh", "-c", "cat /file /d/one; ls /d"]).stdout == "one\nd\none\n")
        let history = try await service.send(ImageHistory.self, .init(image: name)).entries
        #expect(history.count == 4)
        let made = try await ChildProcess.run(
          [
            "sh", "-ec",
            "mkdir l; for n in $(seq 498); do echo $n > l/f$n; echo $n > l/last; tar --owner 0 --group 0 -C l -cf $n.tar .; rm l/*; done",
          ], workingDirectory: store.directory)
        #expect(made.succeeded)
        let tars = try [base] + (1...498).map { try store.directory.appending("\($0).tar").readAll() }
        // As they are: what a layer is compressed with, its first bytes tell.
        try await ServedImage(layers: tars, diffIDs: tars.map { Digest(of: $0) }).serve(on: server)
        _ = try await service.send(ImagePull.self, .init(reference: name))
        #expect(
          try await service.run(name, ["sh", "-c", "ls -d /f[0-9]* | wc -l; cat /last"]).stdout
            == "498\n498\n")
        #expect(await service.stop() == 0)
      }
    }
  }
}
