import LinuxSystem
import EngineErrors
import OCIModel
import Registry
import SystemPackage
import TestSupport
import Testing

/// The client and Debian's docker-registry.
@Suite struct DockerRegistryTests {
  /// Pushes blobs and a manifest for them; answers the layers.
  @discardableResult
  private func push(
    _ contents: [[UInt8]], to registry: DockerRegistry, _ reference: Reference, with client: RegistryClient
  ) async throws -> (layers: [Descriptor], manifest: [UInt8]) {
    var descriptors: [Descriptor] = []
    for (index, bytes) in ([Array("{}".utf8)] + contents).enumerated() {
      let path = registry.directory.appending("blob\(index)")
      try path.write(bytes)
      descriptors.append(layer(bytes))
      try await client.pushBlob(reference, layer(bytes), from: path)
    }
    let document = manifest(config: descriptors[0], layers: Array(descriptors.dropFirst()))
    try await client.pushManifest(reference, document, mediaType: MediaType.ociManifest)
    return (Array(descriptors.dropFirst()), document)
  }

  @Test func whatIsPushedComesBack() async throws {
    try await withDockerRegistry { registry in
      let client = TestClient().client
      let contents = [noise(2_000_000, seed: 1), noise(500_000, seed: 2), noise(1, seed: 3)]
      let reference = registry.reference("some/app")
      let (layers, document) = try await push(contents, to: registry, reference, with: client)

      let byTag = try await client.manifest(reference)
      #expect(byTag.bytes == document)
      #expect(byTag.mediaType == MediaType.ociManifest)
      let byDigest = try await client.manifest(registry.reference("some/app", tag: nil, digest: byTag.digest))
      #expect(byDigest.bytes == document)
      guard case .image(let image) = byTag.document else {
        Issue.record("not an image")
        return
      }
      #expect(image.layers == layers)

      // All layers at once, the last bytes of the first one besides.
      try await withThrowingTaskGroup(of: Void.self) { group in
        for (descriptor, bytes) in zip(layers, contents) {
          group.addTask {
            let sink = Sink()
            try await client.fetchBlob(reference, descriptor, receive: sink.receive)
            #expect(sink.bytes == bytes)
          }
        }
        group.addTask {
          let sink = Sink()
          try await client.fetchBlob(reference, layers[0], from: 1_999_990, receive: sink.receive)
          #expect(sink.bytes == Array(contents[0].suffix(10)))
        }
        try await group.waitForAll()
      }
      #expect(try await client.hasBlob(reference, layers[0].digest))
    }
  }

  @Test func whatIsMissingIsNotFound() async throws {
    try await withDockerRegistry { registry in
      let client = TestClient().client
      try await push([], to: registry, registry.reference("a"), with: client)
      let noTag = await #expect(throws: EngineError.self) {
        try await client.manifest(registry.reference("a", tag: "none"))
      }
      #expect(noTag?.kind == .notFound)
      #expect(noTag?.causes.contains { $0.hasPrefix("MANIFEST_UNKNOWN") } == true)
      let noBlob = await #expect(throws: EngineError.self) {
        try await client.fetchBlob(registry.reference("a"), layer(noise(9))) { _ in }
      }
      #expect(noBlob?.kind == .notFound)
      #expect(noBlob?.causes.contains { $0.hasPrefix("BLOB_UNKNOWN") } == true)
      #expect(try await client.hasBlob(registry.reference("a"), layer(noise(9)).digest) == false)
    }
  }

  @Test func aTruncatedBlobInTheRegistrysStorageIsCorrupt() async throws {
    try await withDockerRegistry { registry in
      let client = TestClient().client
      let (layers, _) = try await push([noise(100_000)], to: registry, registry.reference("a"), with: client)
      try registry.path(ofBlob: layers[0].digest).write(noise(60_000))
      let sink = Sink()
      let error = await #expect(throws: EngineError.self) {
        try await TestClient().client.fetchBlob(registry.reference("a"), layers[0], receive: sink.receive)
      }
      #expect([.corrupt, .unreachable].contains(error?.kind), "\(String(describing: error))")
      #expect(sink.bytes.count <= 60_000)
    }
  }

  @Test func aBlobWhoseBytesHaveAnotherDigestIsRefusedByTheRegistry() async throws {
    try await withDockerRegistry { registry in
      let path = registry.directory.appending("blob")
      try path.write(noise(1000, seed: 8))
      let lie = layer(noise(1000, seed: 9))
      let error = await #expect(throws: EngineError.self) {
        try await TestClient().client.pushBlob(registry.reference("a"), lie, from: path)
      }
      #expect(error?.kind == .invalidArgument)
      #expect(
        error?.causes.contains { $0.hasPrefix("DIGEST_INVALID") } == true, "\(String(describing: error))")
    }
  }

  @Test func aRegistryThatWantsALoginSaysSo() async throws {
    try await withTemporaryDirectory { directory in
      let users = directory.appending("htpasswd")
      try users.write("user:$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC\n".utf8)
      try await withDockerRegistry(.init(htpasswd: users)) { registry in
        let error = await #expect(throws: EngineError.self) {
          try await TestClient().client.manifest(registry.reference("a"))
        }
        #expect(error?.kind == .unauthorized)
        #expect(error?.hint == "the repository may not exist, or may need a login")
      }
    }
  }

  @Test func httpsNeedsATrustedCertificate() async throws {
    try await withTemporaryDirectory { directory in
      let (certificate, key) = try await selfSigned(in: directory, "server")
      try await withDockerRegistry(.init(tls: (certificate, key))) { registry in
        // Docker Hub's name, led to this registry.
        let reference = try Reference(parsing: "busybox")
        let trusting = TestClient {
          $0.endpoints["docker.io"] = "https://\(registry.host)"
          $0.certificateDirectories = [directory]
        }
        let kept = directory.appending(registry.host)
        try makeDirectories(kept, mode: 0o755)
        try kept.appending("ca.crt").write(certificate.readAll())
        let bytes = noise(300_000)
        let (layers, document) = try await push([bytes], to: registry, reference, with: trusting.client)
        #expect(try await trusting.client.manifest(reference).bytes == document)
        let sink = Sink()
        try await trusting.client.fetchBlob(reference, layers[0], receive: sink.receive)
        #expect(sink.bytes == bytes)

        let doubting = TestClient { $0.endpoints["docker.io"] = "https://\(registry.host)" }
        let error = await #expect(throws: EngineError.self) { try await doubting.client.manifest(reference) }
        #expect(error?.kind == .unreachable)
        #expect(error?.isRetriable == false)
        #expect(error?.hint?.contains("HTTPS") == true)

        // Said to be insecure, any certificate will do; and the port alone, with a certificate kept, means HTTPS.
        let careless = TestClient { $0.registries[registry.host] = RegistrySettings(isInsecure: true) }
        let plain = registry.reference("library/busybox")
        #expect(try await careless.client.manifest(plain).bytes == document)
        let knowing = TestClient { $0.certificateDirectories = [directory] }
        #expect(try await knowing.client.manifest(plain).bytes == document)
      }
    }
  }

  @Test func aClientsCertificateOpensARegistryThatWantsOne() async throws {
    try await withTemporaryDirectory { directory in
      let (certificate, key) = try await selfSigned(in: directory, "server")
      let (own, ownKey) = try await selfSigned(in: directory, "client")
      try await withDockerRegistry(.init(tls: (certificate, key), clientAuthority: own)) { registry in
        let kept = directory.appending("certs.d/\(registry.host)")
        try makeDirectories(kept, mode: 0o755)
        try kept.appending("ca.crt").write(certificate.readAll())
        let client = TestClient { $0.certificateDirectories = [kept.removingLastComponent()] }.client
        let reference = registry.reference("a")
        let refused = await #expect(throws: EngineError.self) {
          try await client.hasBlob(reference, layer([1]).digest)
        }
        #expect(refused?.kind == .unreachable)
        try kept.appending("client.cert").write(own.readAll())
        let keyless = await #expect(throws: EngineError.self) {
          try await client.hasBlob(reference, layer([1]).digest)
        }
        #expect(keyless?.causes.contains { $0.contains("client.key") } == true)
        try kept.appending("client.key").write(ownKey.readAll())
        #expect(try await client.hasBlob(reference, layer([1]).digest) == false)
      }
    }
  }

  @Test func aLargeBlobGoesInPieces() async throws {
    try await withDockerRegistry { registry in
      let client = TestClient { $0.uploadChunk = 100_000 }.client
      let bytes = noise(450_000)
      try await push([bytes], to: registry, registry.reference("a"), with: client)
      let sink = Sink()
      try await client.fetchBlob(registry.reference("a"), layer(bytes), receive: sink.receive)
      #expect(Digest(of: sink.bytes) == layer(bytes).digest)
    }
  }

  @Test func ablobIsMountedFromAnotherRepository() async throws {
    try await withDockerRegistry { registry in
      let client = TestClient().client
      let bytes = noise(450_000)
      try await push([bytes], to: registry, registry.reference("base/one"), with: client)
      let path = registry.directory.appending("blob")
      try path.write(bytes)
      let outcome = try await client.pushBlob(
        registry.reference("app"), layer(bytes), from: path, mountingFrom: "base/one")
      #expect(outcome == .mounted)
      #expect(try await client.hasBlob(registry.reference("app"), layer(bytes).digest))
    }
  }
}

/// A certificate of 127.0.0.1's own, and its key.
func selfSigned(in directory: FilePath, _ name: String) async throws -> (FilePath, FilePath) {
  let (certificate, key) = (directory.appending("\(name).pem"), directory.appending("\(name)-key.pem"))
  let made = try await ChildProcess.run([
    "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
    "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key.string, "-out",
    certificate.string,
  ])
  guard made.succeeded else { throw TestFailure("no certificate: \(made.errorText)") }
  return (certificate, key)
}
