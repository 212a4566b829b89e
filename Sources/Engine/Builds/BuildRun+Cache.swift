import EngineErrors
import LinuxSystem
import Metadata
import OCIModel
import Registry
import Synchronization

/// A step that need not be carried out.
struct CachedStep: Sendable {
  var record: BuildStepRecord
  /// The cache in a registry that it is from; nil for the store's.
  var source: Reference?
  /// Whether its layer is in the store.
  var isHere: Bool
}

/// What a build finds in caches: the store's, and then those in registries that it was told of.
extension BuildRun {
  /// An earlier step whose layer is all there, or has just been fetched.
  ///
  /// A layer that cannot be fetched is a warning, and the step is carried out.
  func cached(_ key: Digest) async throws -> CachedStep? {
    if let record = try engine.metadata.buildStep(key), isHere(record.layer) {
      return CachedStep(record: record, source: nil, isHere: true)
    }
    for cache in caches {
      guard var record = cache.steps[key] else { continue }
      guard let layer = record.layer else {
        keepImported(record)
        return CachedStep(record: record, source: cache.reference, isHere: true)
      }
      let stacked = Self.stacked(layer)
      guard let addition else {
        record.layer?.key = engine.key(of: stacked) ?? layer.key
        return CachedStep(record: record, source: cache.reference, isHere: isHere(record.layer))
      }
      do {
        let fetched = try await engine.fetchLayer(stacked, of: cache.reference, addition, reporter: reporter)
        if let key = try await engine.settle([stacked], [fetched]).first { record.layer?.key = key }
      } catch let error as EngineError where error.kind != .cancelled && error.kind != .noSpace {
        warn("a layer of the cache \(cache.reference.familiar) cannot be had: \(error.message)")
        continue
      }
      keepImported(record)
      return CachedStep(record: record, source: cache.reference, isHere: true)
    }
    return nil
  }

  private func keepImported(_ record: BuildStepRecord) {
    guard !isDry else { return }
    var record = record
    record.usedAt = Timestamp.now
    keep(record)
  }

  private func isHere(_ layer: LayerRecord?) -> Bool {
    guard let layer else { return true }
    return engine.content.isWhole(layer.descriptor) && engine.snapshots.contains(layer.key)
  }

  /// As `LayerBuilder` keeps what builds make: it stands on its own.
  private static func stacked(_ layer: LayerRecord) -> StackedLayer {
    StackedLayer(
      descriptor: layer.descriptor, diffID: layer.diffID, placedKey: ChainID.ofBottom(layer.diffID))
  }

  /// Steps of those caches that one without an entry may be compared with.
  func importedSteps(like source: String, keyword: String, after parent: Digest) -> [BuildStepRecord] {
    caches.flatMap { cache in
      cache.steps.values.filter { step in
        step.source == source
          || (step.parent == parent && step.source.prefix(keyword.count).uppercased() == keyword)
      }
    }.sorted { $0.createdAt > $1.createdAt }
  }

  /// Reads what caches in registries have; nothing of their layers. One that cannot be had is a warning.
  func importCaches() async throws {
    guard request.usesCache else { return }
    for reference in request.cacheSources {
      do {
        add(try await engine.fetchCache(reference))
      } catch let error as EngineError where error.kind != .cancelled {
        warn("the cache \(reference.familiar) is not of use: \(error.message)")
      }
    }
  }
}

extension ContainerEngine {
  fileprivate func fetchCache(_ reference: Reference) async throws -> ImportedCache {
    let fetched = try await registry.manifest(reference)
    guard case .image(let manifest) = fetched.document, manifest.config.mediaType == CacheDocument.mediaType
    else {
      throw EngineError(
        .unsupported, "\(reference.familiar) is no cache of a build", subject: reference.description,
        hint: "it is made with cacheTo")
    }
    let config = manifest.config
    guard config.size <= CacheDocument.limit else {
      throw EngineError(
        .corrupt, "the cache \(reference.familiar) claims \(config.size) bytes", subject: "\(config.digest)",
        hint: "at most \(CacheDocument.limit) bytes are read")
    }
    let bytes = Mutex<[UInt8]>([])
    try await registry.fetchBlob(reference, config) { piece in bytes.withLock { $0 += piece } }
    let document = bytes.withLock { $0 }
    guard Digest(of: document) == config.digest else {
      throw EngineError(
        .digestMismatch, "the cache \(reference.familiar) is not what its digest says",
        subject: "\(config.digest)")
    }
    return try ImportedCache(reference, parsing: document)
  }

  /// Sends what a build has come to, step by step, to where it was asked to go.
  ///
  /// - Parameter target: the stage that was built.
  /// - Returns: nil where nobody asked for it.
  /// - Throws: what pushing throws.
  func exportCache(_ build: BuildRun, _ target: Int, reporter: TaskReporter) async throws
    -> BuildCacheExport?
  {
    guard let wanted = build.request.cacheTarget else { return nil }
    let plan = BuildPlan(build.dockerfile, build.global, build.request.namedContexts)
    let stages = wanted.isWhole ? Set(try plan.stages(for: target)) : try plan.chain(of: target)
    let document = CacheDocument(build.outcomes(of: stages))
    let bytes = try encode(document)
    guard bytes.count <= CacheDocument.limit else {
      throw EngineError(
        .unsupported, "the cache of the build is too large: what decides about it has \(bytes.count) bytes",
        hint: "copy fewer files, or directories apart")
    }
    let reference = wanted.reference
    return try await reporter.task("send the cache \(reference.familiar)") { _, reporter in
      let config = Descriptor(
        mediaType: CacheDocument.mediaType, digest: Digest(of: bytes), size: Int64(bytes.count))
      let manifest = Manifest(config: config, layers: document.layers)
      let named = document.layers.map { ("layer \($0.digest.short)", $0) }
      let pushed = try await pushBlobs(named, to: reference, reporter: reporter)
      if try await !registry.hasBlob(reference, config.digest) {
        let place = try prepareStep()
        defer { discardStep(place.id) }
        let file = place.upper.appending("cache")
        try writeNewFile(file, bytes)
        _ = try await registry.pushBlob(reference, config, from: file)
      }
      let digest = try await registry.pushManifest(
        reference, try encode(manifest), mediaType: MediaType.ociManifest)
      return BuildCacheExport(
        reference: reference, digest: digest, steps: document.steps.count,
        bytes: document.layers.reduce(0) { $0 + $1.size },
        sentBytes: pushed.reduce(0) { $0 + ($1.outcome == .sent ? $1.descriptor.size : 0) })
    }
  }
}
