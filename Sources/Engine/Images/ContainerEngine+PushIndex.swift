import EngineErrors
import Metadata
package import OCIModel

extension ContainerEngine {
  /// Sends images, one for each platform, and then an index of them under one name.
  ///
  /// - Throws: what `push` throws; `invalidArgument` for two images of one platform, and for a name with a digest.
  package func pushIndex(
    of names: [String], to destination: String, reporter: TaskReporter = .silent
  ) async throws -> (reference: Reference, digest: Digest, notices: RegistryNotices) {
    let target = try Reference(parsing: destination)
    try refuseDigest(target)
    var entries: [Descriptor] = []
    for name in names {
      let image = try image(named: name)
      let bytes = try content.size(of: image.manifestDigest)
      if let other = entries.first(where: { $0.platform == image.platform }) {
        throw EngineError(
          .invalidArgument, "cannot push the index \(target.familiar): two images are for \(image.platform)",
          subject: name, causes: ["\(other.digest.short)", image.manifestDigest.short])
      }
      entries.append(
        Descriptor(
          mediaType: image.mediaType, digest: image.manifestDigest, size: bytes, platform: image.platform))
    }
    let document = try encode(Index(manifests: entries))
    return try await collectingNotices { notices in
      try await reporter.task("push \(target.familiar)") { _, reporter in
        for entry in entries {
          var part = target
          (part.tag, part.digest) = (nil, entry.digest)
          let image = try image(named: entry.digest.description)
          _ = try await push(image, to: part, compressing: nil, notices, reporter: reporter)
        }
        let digest = try await registry.pushManifest(target, document, mediaType: MediaType.ociIndex)
        try await metadata.append(.imagePushed(digest, reference: target.description))
        return (target, digest, notices)
      }
    }
  }
}
