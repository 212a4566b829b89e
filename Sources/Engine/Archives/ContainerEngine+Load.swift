import EngineErrors
import Layers
import LinuxSystem
import Metadata
package import OCIModel
import SystemPackage

/// An image that a load has brought.
package struct LoadedImage: Sendable {
  package var image: ImageSummary
  /// The names that it has from the archive, in full form.
  package var references: [String]
}

extension ContainerEngine {
  /// Takes in all images of an archive: an OCI image layout as a directory or as a tar archive, or a Docker archive; plain
  /// or compressed with gzip or zstd. A name that another image had moves over.
  ///
  /// - Parameters:
  ///   - reference: the name of the archive's one image, instead of what the archive calls it.
  ///   - platform: for images of several.
  /// - Throws: `corrupt` for what is no such archive, or not all of one; `digestMismatch`, `notFound`, `noSpace`. After an
  ///   error or a cancellation no image of it is there, and nothing that it brought.
  package func loadImages(
    from source: ArchiveSource, as reference: Reference? = nil, platform: Platform = .host,
    reporter: TaskReporter = .silent
  ) async throws -> [LoadedImage] {
    if let reference { try refuseDigest(reference) }
    let directory: FilePath? = if case .file(let path) = source, isDirectory(path) { path } else { nil }
    let intake = ArchiveIntake(content, directory: directory)
    let before = Set(try snapshots.list())
    let outcome: Result<[LoadedImage], any Error>
    do {
      outcome = .success(
        try await reporter.task("load \(source.name)") { _, reporter in
          let addition = try await beginAddition()
          defer { addition.end() }
          if directory == nil { try await takeIn(source, intake, reporter) }
          let plan = try await planLoad(intake, platform)
          return try await load(plan, as: reference, addition, reporter)
        })
    } catch {
      // Whatever it was that noticed the cancellation.
      outcome = .failure(
        Task.isCancelled
          ? EngineError.cancelled("loading \(source.name)")
          : EngineError("load \(source.name)", wrapping: error))
    }
    // Also after a cancellation, and also what an archive has besides its images.
    await Task { [self] in try? await discardUnnamed(blobs: intake.added, layersBut: before) }.value
    return try outcome.get()
  }

  private func isDirectory(_ path: FilePath) -> Bool { fileKind(resolvingLinks(path)) == .directory }

  private func takeIn(_ source: ArchiveSource, _ intake: ArchiveIntake, _ reporter: TaskReporter) async throws
  {
    try await reporter.task("read \(source.name)", total: try source.size) { progress, _ in
      let walk = ArchiveWalk(limits: unpackOptions.limits)
      try await withTaskCancellationHandler {
        try await onBlockingThread("load") {
          try walk.run({ try source.read(progress.report, $0) }, stop: source.stop, visit: intake.take)
        }
      } onCancel: {
        walk.cancel()
        source.stop()
      }
    }
  }

  private func planLoad(_ intake: ArchiveIntake, _ platform: Platform) async throws -> [PlannedImage] {
    try await withTaskCancellationHandler {
      try await onBlockingThread("load") { [content] in
        try LoadPlan(content: content, intake: intake, platform: platform).images()
      }
    } onCancel: {
      intake.cancel()
    }
  }

  private func load(
    _ planned: [PlannedImage], as reference: Reference?, _ addition: Addition, _ reporter: TaskReporter
  ) async throws -> [LoadedImage] {
    var planned = planned
    guard !planned.isEmpty else { throw EngineError(.corrupt, "the archive's list of images is empty") }
    if let reference {
      guard planned.count == 1 else {
        throw EngineError(
          .invalidArgument, "the archive has \(planned.count) images, and one name is given for them",
          subject: reference.description, hint: "load it without a name, then tag the images")
      }
      planned[0].references = [reference]
    }
    var images: [(record: ImageRecord, references: [String])] = []
    for image in planned {
      try Task.checkCancellation()
      images.append((try await unpack(image, addition, reporter), names(image)))
    }
    // All images are whole: now they are durable, and then they are named.
    let sizes = try await makeDurable(images.map(\.record), addition)
    try Task.checkCancellation()
    try await metadata.recordImages(
      images.map { image, references in
        let names = references.isEmpty ? [nil] : references.map(Optional.some)
        return NamedImage(
          image: image, references: references,
          events: names.map { .imageLoaded(image.manifestDigest, reference: $0) })
      }, sizes: sizes, at: Timestamp.now)
    return try images.map { LoadedImage(image: try summary($0.record), references: $0.references) }
  }

  private func names(_ image: PlannedImage) -> [String] {
    // A digest that the archive calls an image by is nobody's word but its own.
    Set(image.references.filter { $0.tag != nil }.map(\.withoutDigest.description)).sorted()
  }

  private func unpack(_ image: PlannedImage, _ addition: Addition, _ reporter: TaskReporter) async throws
    -> ImageRecord
  {
    let digest = image.digest
    let layers = try stack(image.manifest, image.config)
    let title = image.references.first?.familiar ?? digest.short
    let unpacked = try await reporter.task("unpack \(title)") { _, reporter in
      try await bringLayers(layers, atOnce: configuration.concurrentLayers) { [self] layer in
        try await unpackLayer(layer, of: title, addition, reporter: reporter)
      }
    }
    let keys = try await settle(layers, unpacked)
    return ImageRecord(
      manifestDigest: digest, mediaType: image.manifest.mediaType ?? MediaType.ociManifest,
      configDigest: image.manifest.config.digest,
      size: layers.reduce(Int64(image.manifestBytes.count) + image.manifest.config.size) {
        $0 &+ $1.descriptor.size
      },
      platform: image.config.platform,
      layers: zip(layers, keys).map {
        LayerRecord(descriptor: $0.descriptor, diffID: $0.diffID, key: $1)
      }, createdAt: Timestamp.now, created: image.config.created)
  }

  /// Removes those of the blobs, and those layers that are new, that no image names. Where somebody else adds content just
  /// now it is left to the next collection.
  private func discardUnnamed(blobs: Set<Digest>, layersBut known: Set<Digest>) async throws {
    let named = try metadata.itemsInUse(.blob)
    let used = try metadata.itemsInUse(.layer)
    let fresh = Set(try snapshots.list()).subtracting(known)
    if blobs.isSubset(of: named), fresh.isSubset(of: used) { return }
    guard let lock = try await locks.tryCollect() else { return }
    defer { lock.release() }
    try await onBlockingThread("discard") { [self] in
      // Once more, now that nothing can be added.
      let named = try metadata.itemsInUse(.blob)
      let used = try metadata.itemsInUse(.layer)
      for digest in blobs where !named.contains(digest) { try content.remove(digest) }
      for key in try snapshots.list() where !known.contains(key) && !used.contains(key) {
        try removeLayer(key)
      }
    }
  }
}
