import EngineErrors
import Foundation
import Layers
import LinuxSystem
import Metadata
package import OCIModel

extension ContainerEngine {
  /// Makes an image of one layer from a tar archive of a root file system, compressed or not.
  ///
  /// - Throws: `notFound` when there is no such file, `corrupt` for what is no archive, `noSpace`. Cancellation
  ///   leaves nothing.
  package func importImage(
    from source: ArchiveSource, as reference: Reference, message: String? = nil, changes: ImageChanges,
    platform: Platform = .host, reporter: TaskReporter = .silent
  ) async throws -> ImageSummary {
    try refuseDigest(reference)
    let addition = try await beginAddition()
    defer { addition.end() }
    let warnings = LayerWarnings.current
    let layer = try await reporter.task("import \(source.name)", total: try source.size) { progress, _ in
      try await withTaskCancellationHandler {
        try await onBlockingThread("import") { [self] in
          try importLayer(source, addition, progress, warnings)
        }
      } onCancel: {
        source.stop()
      }
    }
    let now = timestamp()
    let config = ImageConfig(
      created: now, platform: platform, config: changes.applied(to: .init()),
      rootfs: .init(diffIDs: [layer.diffID]),
      history: [
        .init(created: now, createdBy: "import \(source.name)", comment: message)
      ])
    let image = try await makeImage(config, layers: [layer], as: reference, addition) {
      .imageImported($0, reference: reference.description)
    }
    return try summary(image)
  }

  private func importLayer(
    _ source: ArchiveSource, _ addition: Addition, _ progress: TaskProgress, _ warnings: LayerWarnings?
  ) throws -> LayerRecord {
    var builder: LayerBuilder?
    do {
      try source.read(progress.report) { bytes in
        let building = try builder ?? LayerBuilder(Compression.detect(bytes.prefix(4)), self, addition)
        builder = building
        try building.write(bytes)
      }
      return try (builder ?? LayerBuilder(.none, self, addition)).finish(warnings)
    } catch {
      builder?.abandon()
      throw EngineError("import \(source.name)", wrapping: error, subject: source.name)
    }
  }

  /// Writes the configuration and the manifest of a new image, and names it.
  func makeImage(
    _ config: ImageConfig, layers: [LayerRecord], as reference: Reference, _ addition: Addition,
    event: (Digest) -> JournalEvent
  ) async throws -> ImageRecord {
    let image = try describe(config, layers: layers)
    try await commit(image, taggedAs: reference, addition, event: event(image.manifestDigest))
    return image
  }

  /// Writes the configuration and the manifest of a new image, which nothing names yet.
  func describe(_ config: ImageConfig, layers: [LayerRecord]) throws -> ImageRecord {
    let draft = try DraftImage(config, layers: layers)
    try put(draft)
    return draft.record
  }

  func put(_ draft: DraftImage) throws {
    for bytes in draft.documents.values { _ = try content.put(bytes: bytes) }
  }

  func refuseDigest(_ reference: Reference) throws {
    guard reference.digest == nil else {
      throw EngineError(
        .invalidArgument, "a new image cannot be named by a digest: \(reference)",
        subject: reference.description, hint: "give it a name and a tag")
    }
  }
}

/// An image whose documents are not in the store.
struct DraftImage: Sendable {
  let record: ImageRecord
  let config: ImageConfig
  let manifest: Manifest
  /// Its manifest and its configuration.
  let documents: [Digest: [UInt8]]

  init(_ config: ImageConfig, layers: [LayerRecord]) throws {
    let configBytes = try encode(config)
    let configDigest = Digest(of: configBytes)
    manifest = Manifest(
      config: Descriptor(
        mediaType: MediaType.ociConfig, digest: configDigest, size: Int64(configBytes.count)),
      layers: layers.map(\.descriptor))
    let manifestBytes = try encode(manifest)
    let digest = Digest(of: manifestBytes)
    self.config = config
    documents = [configDigest: configBytes, digest: manifestBytes]
    record = ImageRecord(
      manifestDigest: digest, mediaType: MediaType.ociManifest, configDigest: configDigest,
      size: layers.reduce(Int64(configBytes.count + manifestBytes.count)) { $0 + $1.descriptor.size },
      platform: config.platform, layers: layers, createdAt: Timestamp.now, created: config.created)
  }
}
