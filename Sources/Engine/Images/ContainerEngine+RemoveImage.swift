import EngineErrors
import LinuxSystem
import Metadata
package import OCIModel

/// What a removal did.
package struct ImageRemoval: Hashable, Sendable {
  /// Full names that are gone.
  package var untagged: [String]
  /// Manifest digests of images that are gone.
  package var deleted: [Digest]
}

extension ContainerEngine {
  /// Takes a name away, and with the last name the image and the content that nothing else names.
  ///
  /// A digest, or its first digits, takes away all names; with more than one name only by `force`.
  /// - Throws: `inUse` naming the containers that use the image; `conflict` for several names without `force`.
  package func removeImage(_ name: String, force: Bool) async throws -> ImageRemoval {
    let image = try image(named: name)
    let names = try metadata.tags(of: image.manifestDigest).map(\.reference)
    let given = ((try? Reference(parsing: name))?.names ?? []).filter(names.contains)
    let byName = given.isEmpty ? nil : given
    if byName == nil, names.count > 1, !force {
      throw EngineError(
        .conflict, "image \(image.manifestDigest.short) has \(names.count) names", subject: name,
        causes: names, hint: "remove it by one of its names, or with force (rmi -f at the REPL)",
        retriable: false)
    }
    let untagged = byName ?? names
    let isLast = untagged.count == names.count
    let digest = image.manifestDigest
    let removed = try await metadata.removeNames(untagged, of: digest, withImage: isLast) { names, image in
      names.map { .imageUntagged(digest, reference: $0) } + (image ? [.imageRemoved(digest)] : [])
    }
    Failpoint.imageUnrecorded.pass()
    if isLast { await collectBehind() }
    return ImageRemoval(untagged: removed.names, deleted: removed.image ? [digest] : [])
  }
}
