import EngineErrors
import Metadata
package import OCIModel
import Registry

/// What a push did, layer by layer.
package struct PushResult: Sendable {
  package var reference: Reference
  /// The manifest's digest, as the registry has confirmed it.
  package var digest: Digest
  package var blobs: [PushedBlob]
  package var notices: RegistryNotices
}

package struct PushedBlob: Sendable {
  package var descriptor: Descriptor
  package var outcome: PushedBlobOutcome
}

package enum PushedBlobOutcome: Sendable {
  /// The repository had it.
  case present
  /// The registry had it in another repository.
  case mounted
  case sent
}

extension ContainerEngine {
  /// Sends an image to a registry: the blobs it lacks at the same time, then the manifest.
  ///
  /// - Parameters:
  ///   - destination: the name there; where nil, `name`, which has to be one of the image's.
  ///   - compression: of its layers there; as they are here where nil. Another one means another manifest.
  /// - Throws: `notFound`, `unauthorized`, `unreachable`; `invalidArgument` without a destination for a digest alone, which
  ///   names no repository; `digestMismatch` for a name with the digest of something else. Cancellation stops the transfers; what the registry
  ///   already took stays there until it collects it.
  package func push(
    _ name: String, to destination: String? = nil, compressing compression: LayerCompression? = nil,
    reporter: TaskReporter = .silent
  ) async throws -> PushResult {
    let image = try image(named: name)
    let target = try destination.map { try Reference(parsing: $0) } ?? ownName(name, of: image)
    return try await collectingNotices { notices in
      try await push(image, to: target, compressing: compression, notices, reporter: reporter)
    }
  }

  /// The name that an image was found by, where it has a repository.
  private func ownName(_ name: String, of image: ImageRecord) throws -> Reference {
    let names = try metadata.tags(of: image.manifestDigest).compactMap {
      try? Reference(parsing: $0.reference)
    }
    if let reference = try? Reference(parsing: name) {
      let known = Set(names.map(\.description))
      if reference.digest == image.manifestDigest || reference.names.contains(where: known.contains) {
        return reference
      }
    }
    let tagged = names.filter { $0.tag != nil }.map(\.familiar)
    throw EngineError(
      .invalidArgument, "\(name) does not say where to push the image to", subject: name,
      hint: "give a destination" + (tagged.first.map { ", or push it by its name \($0)" } ?? ""))
  }

  func push(
    _ image: ImageRecord, to target: Reference, compressing compression: LayerCompression?,
    _ notices: RegistryNotices, reporter: TaskReporter
  ) async throws -> PushResult {
    try await reporter.task("push \(target.familiar)") { _, reporter in
      let held = try await locks.holdContent()
      defer { held.release() }
      var manifest = try manifest(of: image)
      var bytes = try content.read(image.manifestDigest, limit: documentLimit)
      var mediaType = image.mediaType
      if let compression {
        manifest = try await recompressed(manifest, compression, reporter: reporter)
        bytes = try encode(manifest)
        mediaType = MediaType.ociManifest
      }
      if let wanted = target.digest, wanted != Digest(of: bytes) {
        throw EngineError(
          .digestMismatch, "cannot push the image to \(target.familiar): its manifest has another digest",
          subject: target.description, causes: ["it is \(Digest(of: bytes))"],
          hint: "push it to a tag", retriable: false)
      }
      let named =
        manifest.layers.map { ("layer \($0.digest.short)", $0) } + [("configuration", manifest.config)]
      let blobs = try await pushBlobs(named, to: target, reporter: reporter)
      let digest = try await registry.pushManifest(target, bytes, mediaType: mediaType)
      try await metadata.append(.imagePushed(digest, reference: target.description))
      return PushResult(reference: target, digest: digest, blobs: blobs, notices: notices)
    }
  }

  func pushBlobs(
    _ blobs: [(title: String, descriptor: Descriptor)], to target: Reference, reporter: TaskReporter
  ) async throws
    -> [PushedBlob]
  {
    try await withThrowingTaskGroup(of: (Int, PushedBlob).self) { group in
      var pushed = blobs.map { PushedBlob(descriptor: $0.descriptor, outcome: .present) }
      for (index, blob) in blobs.enumerated() {
        if index >= configuration.concurrentLayers, let (done, result) = try await group.next() {
          pushed[done] = result
        }
        group.addTask { [self] in
          (index, try await pushBlob(blob.descriptor, blob.title, to: target, reporter: reporter))
        }
      }
      for try await (done, result) in group { pushed[done] = result }
      return pushed
    }
  }

  private func pushBlob(_ blob: Descriptor, _ title: String, to target: Reference, reporter: TaskReporter)
    async throws
    -> PushedBlob
  {
    if try await registry.hasBlob(target, blob.digest) {
      return PushedBlob(descriptor: blob, outcome: .present)
    }
    let source = try repository(with: blob.digest, besides: target)
    let outcome = try await reporter.task(title, total: blob.size) { progress, _ in
      try await registry.pushBlob(
        target, blob, from: content.path(of: blob.digest), mountingFrom: source
      ) { progress.report($0) }
    }
    return PushedBlob(descriptor: blob, outcome: outcome == .mounted ? .mounted : .sent)
  }

  /// Another repository of the same registry that has a blob, as far as the names of images here tell.
  private func repository(with blob: Digest, besides target: Reference) throws -> String? {
    let images = try metadata.images().filter { image in
      image.configDigest == blob || image.layers.contains { $0.descriptor.digest == blob }
    }
    for image in images {
      for tag in try metadata.tags(of: image.manifestDigest) {
        guard let name = try? Reference(parsing: tag.reference), name.registry == target.registry,
          name.repository != target.repository
        else { continue }
        return name.repository
      }
    }
    return nil
  }
}
