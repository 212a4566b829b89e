import ContentStore
import EngineErrors
import Layers
import LinuxSystem
import Metadata
package import OCIModel
import Registry

/// What a pull did, layer by layer.
package struct PullResult: Sendable {
  package var image: ImageSummary
  package var reference: Reference
  package var layers: [PulledLayer]
  package var notices: RegistryNotices
  /// What came over the network, in bytes.
  package var fetchedBytes: Int64 {
    layers.reduce(0) { $0 + ($1.outcome == .fetched ? $1.layer.descriptor.size - $1.resumed : 0) }
  }
}

package struct PulledLayer: Sendable {
  package var layer: ImageLayer
  package var outcome: LayerOutcome
  /// What of it an earlier pull had brought, in bytes.
  package var resumed: Int64
}

package enum LayerOutcome: Sendable {
  case fetched
  /// It was in the store.
  case present
  /// Another pull, perhaps of another service, was fetching it; this one waited.
  case waited
}

extension ContainerEngine {
  /// Fetches an image: its layers at the same time, each downloaded, verified and unpacked in one pass.
  ///
  /// The image appears whole or not at all, durable when this returns. Layers that are finished when a pull
  /// fails stay for the next one, and so does what came of the others, for `ContentStore.partialLife`.
  /// - Parameters:
  ///   - platform: an index is searched for the host's where nil, and an image without an index is taken as it is.
  ///   - takesOnly: whether an image without an index is taken as it is also where a platform is given.
  /// - Throws: `notFound` for a missing image or platform, `unauthorized`, `unreachable`, `digestMismatch`,
  ///   `corrupt`, `noSpace`. Cancellation stops the transfers and leaves nothing half done.
  package func pull(
    _ reference: Reference, platform: Platform? = nil, takesOnly: Bool = false, concurrentLayers: Int? = nil,
    reporter: TaskReporter = .silent
  ) async throws -> PullResult {
    try await collectingNotices { notices in
      try await pull(
        reference, platform, takesOnly, atOnce: concurrentLayers ?? configuration.concurrentLayers, notices,
        reporter)
    }
  }

  private func pull(
    _ reference: Reference, _ platform: Platform?, _ takesOnly: Bool, atOnce: Int, _ notices: RegistryNotices,
    _ reporter: TaskReporter
  ) async throws -> PullResult {
    try await reporter.task("pull \(reference.familiar)") { _, reporter in
      let addition = try await beginAddition()
      defer { addition.end() }
      // The next pull may be days away.
      defer { registry.closeIdleConnections() }
      try await onBlockingThread("sweep") { [content] in try content.removeStalePartials() }

      let fetched = try await fetchManifest(reference, platform: platform ?? .host)
      let manifest = try decode(Manifest.self, fetched.bytes, fetched.digest)
      let config = try await fetchConfig(manifest.config, of: reference)
      if let platform, !takesOnly, !config.platform.satisfies(platform) {
        throw EngineError(
          .notFound, "\(reference.familiar) has no image for \(platform)", subject: reference.familiar,
          causes: ["its only image is for \(config.platform)"])
      }
      let layers = try stack(manifest, config)

      let pulled = try await bringLayers(layers, atOnce: atOnce) { [self] layer in
        try await fetchLayer(layer, of: reference, addition, reporter: reporter)
      }
      let keys = try await settle(layers, pulled)
      _ = try content.put(bytes: fetched.bytes)

      let image = ImageRecord(
        manifestDigest: fetched.digest, mediaType: fetched.mediaType, configDigest: manifest.config.digest,
        size: manifest.layers.reduce(Int64(fetched.bytes.count) + manifest.config.size) { $0 &+ $1.size },
        platform: config.platform,
        layers: zip(layers, keys).map {
          LayerRecord(descriptor: $0.descriptor, diffID: $0.diffID, key: $1)
        }, createdAt: Timestamp.now, created: config.created)
      try await commit(
        image, taggedAs: reference, addition,
        event: .imagePulled(image.manifestDigest, reference: reference.description))
      return PullResult(
        image: try summary(image), reference: reference,
        layers: zip(layers, pulled).map {
          PulledLayer(
            layer: ImageLayer(descriptor: $0.descriptor, diffID: $0.diffID), outcome: $1.outcome,
            resumed: $1.resumed)
        }, notices: notices)
    }
  }

  /// Runs `body`, and collects for its result what registries say meanwhile.
  func collectingNotices<Result>(
    _ body: (RegistryNotices) async throws -> Result
  ) async rethrows -> Result {
    let notices = RegistryNotices()
    return try await RegistryNotices.$current.withValue(notices) { try await body(notices) }
  }

  /// Makes an image's content durable, then names it (invariant 1).
  func commit(
    _ image: ImageRecord, taggedAs reference: Reference, _ addition: Addition, event: JournalEvent
  ) async throws {
    let sizes = try await makeDurable([image], addition)
    try await metadata.recordImages(
      [NamedImage(image: image, references: reference.names, events: [event])], sizes: sizes,
      at: Timestamp.now)
  }

  /// The manifest of the image for a platform, by way of indexes, and indexes in them, where there are any.
  private func fetchManifest(_ reference: Reference, platform: Platform) async throws -> ImageManifest {
    if let known = try knownManifest(reference, platform) { return known }
    var reference = reference
    for _ in 0...Self.indexDepth {
      let fetched = try await registry.manifest(reference)
      guard MediaType.indexes.contains(fetched.mediaType) else {
        return ImageManifest(bytes: fetched.bytes, mediaType: fetched.mediaType, digest: fetched.digest)
      }
      let index = try decode(Index.self, fetched.bytes, fetched.digest)
      reference.digest = try PlatformChoice.select(from: index, wanted: platform).digest
    }
    throw EngineError(
      .corrupt,
      "the index of \(reference.familiar) leads to no image, but through \(Self.indexDepth) other indexes",
      subject: reference.familiar, hint: "the image is broken; build and push it again")
  }

  /// The manifest that a digest has led to before: a digest always names the same.
  private func knownManifest(_ reference: Reference, _ platform: Platform) throws -> ImageManifest? {
    guard reference.digest != nil,
      let image = try metadata.image(tagged: reference.withoutTag.description),
      image.platform.satisfies(platform),
      let bytes = try? content.read(image.manifestDigest, limit: documentLimit)
    else { return nil }
    return ImageManifest(bytes: bytes, mediaType: image.mediaType, digest: image.manifestDigest)
  }

  private struct ImageManifest {
    var bytes: [UInt8]
    var mediaType: String
    var digest: Digest
  }

  /// How many indexes there may be on the way to an image; more than one is rare.
  private static let indexDepth = 4

  private func fetchConfig(_ descriptor: Descriptor, of reference: Reference) async throws -> ImageConfig {
    guard descriptor.size <= documentLimit else {
      throw EngineError(
        .corrupt, "the configuration of \(reference.familiar) claims \(descriptor.size) bytes",
        subject: "\(descriptor.digest)", hint: "at most \(documentLimit) bytes are read")
    }
    func present() -> [UInt8]? {
      content.isWhole(descriptor) ? try? content.read(descriptor.digest, limit: documentLimit) : nil
    }
    if let bytes = present() { return try decode(ImageConfig.self, bytes, descriptor.digest) }
    let lease = try await content.withIngestLock(descriptor.digest)
    defer { lease.releaseAndRemove() }
    // One that the disk has damaged is fetched anew.
    if present() == nil {
      try await registry.mistrustingMirrors(of: reference) {
        let writer = try content.ingest(expected: descriptor.digest, size: descriptor.size)
        do {
          try await registry.fetchBlob(reference, descriptor) { try writer.write($0) }
        } catch {
          writer.abandon()
          throw error
        }
        _ = try writer.commit()
      }
    }
    return try decode(
      ImageConfig.self, content.read(descriptor.digest, limit: documentLimit), descriptor.digest)
  }

  /// The kernel's limit (OVL_MAX_STACK in fs/overlayfs/params.h), without the layer of mount points.
  private static let layerLimit = 499

  /// Puts each layer's compressed and uncompressed digest together; a configuration that has another number
  /// of layers than the manifest is refused.
  func stack(_ manifest: Manifest, _ config: ImageConfig) throws -> [StackedLayer] {
    guard manifest.layers.count == config.rootfs.diffIDs.count else {
      throw EngineError(
        .corrupt,
        "the manifest has \(manifest.layers.count) layers and its configuration \(config.rootfs.diffIDs.count)",
        subject: "\(manifest.config.digest)", hint: "the image is broken; build and push it again")
    }
    let diffIDs = config.rootfs.diffIDs
    let layers = zip(manifest.layers, zip(diffIDs, ChainID.all(diffIDs))).enumerated().map { index, layer in
      let (descriptor, (diffID, chainID)) = layer
      return StackedLayer(
        descriptor: descriptor, diffID: diffID,
        placedKey: index == 0 ? ChainID.ofBottom(diffID) : chainID)
    }
    try requireStackable(Set(diffIDs).count, of: layers)
    return layers
  }

  /// Brings an image's layers, some at once.
  ///
  /// - Throws: what `bring` throws; `unsupported` as soon as more trees would be needed than can be stacked.
  func bringLayers(
    _ layers: [StackedLayer], atOnce: Int,
    _ bring: @escaping @Sendable (StackedLayer) async throws -> FetchedLayer
  ) async throws -> [FetchedLayer] {
    try await withThrowingTaskGroup(of: (Int, FetchedLayer).self) { group in
      var fetched = layers.map { _ in FetchedLayer(outcome: .present) }
      var pending = 0
      func take(_ done: (Int, FetchedLayer)) throws {
        fetched[done.0] = done.1
        if done.1.pending != nil { pending += 1 }
        try requireStackable(pending, of: layers)
      }
      for (index, layer) in layers.enumerated() {
        if index >= max(1, atOnce), let done = try await group.next() { try take(done) }
        group.addTask { (index, try await bring(layer)) }
      }
      for try await done in group { try take(done) }
      return fetched
    }
  }

  /// - Parameter count: of trees that are to be stacked.
  func requireStackable(_ count: Int, of layers: [StackedLayer]) throws(EngineError) {
    guard count > Self.layerLimit else { return }
    throw EngineError(
      .unsupported, "the image has \(layers.count) layers", subject: layers.last?.diffID.description,
      causes: ["overlayfs stacks at most \(Self.layerLimit)"], hint: "build it again with fewer")
  }
}

extension Reference {
  /// The names that a pulled image is kept under, in full form: its tag, and the digest that it was asked for by, which may be
  /// that of an index and then names nothing else here.
  var names: [String] {
    [tag == nil ? nil : withoutDigest, digest == nil ? nil : withoutTag].compactMap { $0?.description }
  }

  var withoutTag: Reference {
    Reference(registry: registry, repository: repository, tag: nil, digest: digest)
  }

  var withoutDigest: Reference {
    Reference(registry: registry, repository: repository, tag: tag)
  }
}
