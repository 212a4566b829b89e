import Foundation
import OCIModel
import RPCModel
import RPCTransport
import SystemPackage
import TestSupport
import Testing

/// Where in a pull something goes wrong.
enum PullPoint: String, CaseIterable, Sendable {
  case manifest, config, layer
}

/// What goes wrong there.
enum PullFault: String, CaseIterable, Sendable {
  case closesAtOnce, closesMidway, notFound, unauthorized, serverError, truncated, wrongByte, notJSON

  /// What the client must be told.
  func kinds(at point: PullPoint) -> Set<ErrorKind> {
    switch self {
    case .closesAtOnce, .closesMidway, .serverError: [.unreachable]
    case .notFound: [.notFound]
    case .unauthorized: [.unauthorized]
    case .truncated: point == .manifest ? [.digestMismatch] : [.corrupt]
    // A layer is inflated while it comes: what the damage does to that may show before the digest can.
    case .wrongByte: point == .layer ? [.digestMismatch, .corrupt] : [.digestMismatch]
    // Under its own digest it is what the registry means to serve, and no document.
    case .notJSON: [.corrupt]
    }
  }

  func spoil(_ good: FaultyResponse) -> FaultyResponse {
    var bad = good
    switch self {
    case .closesAtOnce: bad.fault = .closesAtOnce
    case .closesMidway: bad.fault = .closes(afterBytes: good.body.count / 2)
    case .notFound: bad = .failure(404, code: "MANIFEST_UNKNOWN", message: "nothing here")
    case .unauthorized: bad = .failure(401, code: "UNAUTHORIZED", message: "who are you")
    case .serverError: bad = .failure(500, code: "UNKNOWN", message: "out of order")
    case .truncated: bad.body = Array(good.body.dropLast(good.body.count / 3))
    case .wrongByte: bad.body[good.body.count / 2] ^= 1
    case .notJSON: break
    }
    // Else it would be taken up again where it ended.
    bad.doesRanges = false
    return bad
  }
}

@Suite("A pull in which something goes wrong")
struct FaultyPullTests {
  @Test(
    "each fault at each point has its kind, leaves nothing to be seen, and a repeat works",
    arguments: PullPoint.allCases, PullFault.allCases)
  func fault(point: PullPoint, fault: PullFault) async throws {
    if fault == .notJSON, point == .layer { return }
    let account = try #require(Account.available.first)
    try await withTestStore(account) { store in
      try await withFaultyServer { server in
        let image = try await ServedImage(store)
        let bad = fault == .notJSON ? image.withoutJSON(at: point) : image
        bad.serve(on: server) { $0 == point ? fault.spoil($1) : $1 }
        let service = try await store.service()
        let name = "\(server.host)/app:1"
        let error = await #expect(throws: RPCError.self) {
          try await service.send(ImagePull.self, .init(reference: name))
        }
        let kind = try #require(error?.data?.kind)
        #expect(fault.kinds(at: point).contains(kind), "\(kind): \(error?.message ?? "")")
        if fault == .wrongByte { #expect(error?.data?.hint?.contains("build and push") != true) }
        #expect(try await service.send(ImageList.self, .init()).images.isEmpty)
        // What came of a layer whose transfer was cut off waits for the next pull.
        let resumes = point == .layer && fault == .closesMidway
        for directory in ["layers", "ingest", "staging"] {
          let left = try await ChildProcess.run([
            "find", store.store.appending(directory).string, "-type", "f", "-not", "-name", "*.lock",
          ])
          #expect(left.text.isEmpty || resumes && directory == "ingest", "\(left.text)")
        }

        image.serve(on: server) { $1 }
        #expect(try await service.send(ImagePull.self, .init(reference: name)).image.layerCount == 1)
        #expect(try await service.run(name, ["echo", "whole"]).stdout == "whole\n")
        #expect(await service.stop() == 0)
      }
    }
  }

  /// A layer that can be unpacked whatever is in its file.
  private func withImage(
    diffID: OCIModel.Digest? = nil,
    _ body: @Sendable (TestStore, FaultyServer, ServedImage) async throws -> Void
  ) async throws {
    let account = try #require(Account.available.first)
    try await withTestStore(account) { store in
      try await withFaultyServer { server in
        let tar = try await store.busyboxArchive().readAll()
        let image = try await ServedImage(layers: [tar], diffIDs: [diffID ?? Digest(of: tar)])
        try await body(store, server, image)
      }
    }
  }

  @Test("of a layer of other bytes is told that the registry sent them, and not that the image is wrong")
  func otherBytes() async throws {
    try await withImage { store, server, image in
      image.serve(on: server) { $0 == .layer ? PullFault.wrongByte.spoil($1) : $1 }
      let service = try await store.service()
      let error = await #expect(throws: RPCError.self) {
        try await service.send(ImagePull.self, .init(reference: "\(server.host)/app:1"))
      }
      #expect(error?.data?.kind == .digestMismatch)
      #expect(error?.message.hasPrefix("the blob is ") == true)
      #expect(error?.data?.hint?.hasPrefix("what was sent is not what was asked for") == true)
      #expect(error?.data?.retriable == true)
      #expect(await service.stop() == 0)
    }
  }

  @Test("of a configuration that does not fit its layer is told so, and no mirror is blamed for it")
  func otherConfiguration() async throws {
    try await withImage(diffID: Digest(of: "another".utf8)) { store, mirror, image in
      try await withFaultyServer { registry in
        image.serve(on: mirror)
        image.serve(on: registry)
        try await store.use(
          settings: #"{"registries": {"\#(registry.host)": {"mirrors": ["\#(mirror.host)"]}}}"#)
        let service = try await store.service()
        let error = await #expect(throws: RPCError.self) {
          try await service.send(ImagePull.self, .init(reference: "\(registry.host)/app:1"))
        }
        #expect(error?.data?.kind == .digestMismatch)
        #expect(error?.data?.hint?.contains("build and push it again") == true)
        #expect(error?.data?.retriable == false)
        #expect(!registry.requests.contains { $0.target.contains("blobs") })
        #expect(await service.stop() == 0)
      }
    }
  }
}

@Suite("What a mirror may have made up")
struct MirrorBlameTests {
  @Test("a layer whose archive leads out is asked of the registry itself too, once")
  func refusedLayer() async throws {
    try await withTestStore(try #require(Account.available.first)) { store in
      try await withFaultyServer { mirror in
        try await withFaultyServer { registry in
          let script = #"""
            import io, sys, tarfile
            out = io.BytesIO()
            with tarfile.open(fileobj=out, mode="w") as tar: tar.addfile(tarfile.TarInfo("../outside"))
            sys.stdout.buffer.write(out.getvalue())
            """#
          let layer = try await ChildProcess.run(["python3", "-c", script]).stdout
          let image = try await ServedImage(layers: [layer], diffIDs: [Digest(of: layer)])
          image.serve(on: mirror)
          image.serve(on: registry)
          try await store.use(
            settings: #"{"registries": {"\#(registry.host)": {"mirrors": ["\#(mirror.host)"]}}}"#)
          let service = try await store.service()
          let error = await #expect(throws: RPCError.self) {
            try await service.send(ImagePull.self, .init(reference: "\(registry.host)/app:1"))
          }
          #expect(error?.data?.kind == .corrupt, "\(error?.message ?? "")")
          for server in [mirror, registry] {
            let asked = server.requests.count { $0.target.hasSuffix("/blobs/\(Digest(of: layer))") }
            #expect(asked == 1)
          }
          #expect(await service.stop() == 0)
        }
      }
    }
  }
}

@Suite("A store after a loss of power")
struct PowerLossTests {
  @Test("a blob whose name was on the disk, and whose content was not, is not taken for whole")
  func cutOff() async throws {
    let account = try #require(Account.available.first)
    try await withTestStore(account) { store in
      try await withFaultyServer { server in
        let image = try await ServedImage(store)
        image.serve(on: server) { $1 }
        let name = "\(server.host)/app:1"
        let first = try await store.service()
        _ = try await first.send(ImagePull.self, .init(reference: name))
        let layer = try Digest(
          #require(await first.send(ImageInspect.self, .init(image: name)).layers.first).digest)
        _ = try await first.send(ImageRemove.self, .init(image: name))
        #expect(await first.stop() == 0)

        try store.store.appending("blobs/sha256/\(layer.hex)").write([])
        try store.store.appending("boot-id").write(Array("another start of the machine".utf8))
        let second = try await store.service()
        _ = try await second.send(ImagePull.self, .init(reference: name))
        let pulled = try store.store.appending("blobs/sha256/\(layer.hex)").readAll()
        #expect(Digest(of: pulled) == layer)
        #expect(await second.stop() == 0)
      }
    }
  }
}
