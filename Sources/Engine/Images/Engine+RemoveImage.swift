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

extension Engine {
  /// Takes a name away, and with the last name the image and the content that nothing else names.
  ///
  /// A digest, or its first digits, takes away all names; with more than one name only by `force`.
  /// - Throws: `inUse` naming the containers that use the image; `conflict` for several names without `force`.
  package func removeImage(_ name: String, force: Bool) async throws -> ImageRemoval {
    let row = try image(named: name)
    let names = try metadata.tags().filter { $0.manifestDigest == row.manifestDigest }.map(\.reference)
    let byName = (try? Reference(parsing: name)).map(\.description).flatMap { names.contains($0) ? $0 : nil }
    if byName == nil, names.count > 1, !force {
      throw EngineError(
        .conflict, "image \(row.manifestDigest.short) has \(names.count) names", subject: name,
        causes: names.sorted(), hint: "remove it by one of its names, or with force", retriable: false)
    }
    let untagged = byName.map { [$0] } ?? names.sorted()
    let isLast = untagged.count == names.count
    if isLast {
      let users = try metadata.containers().filter { $0.imageDigest == row.manifestDigest }.map(\.name)
      guard users.isEmpty else {
        throw EngineError(
          .inUse, "image \(name) is used by \(users.count) container\(users.count == 1 ? "" : "s")",
          subject: name, causes: users.sorted(), hint: "remove the containers first")
      }
    }
    try metadata.removeTags(
      untagged, andImage: isLast ? row.manifestDigest : nil,
      events: untagged.map { .imageUntagged(row.manifestDigest, reference: $0) }
        + (isLast ? [.imageRemoved(row.manifestDigest)] : []))
    if isLast { try await collect() }
    return ImageRemoval(untagged: untagged, deleted: isLast ? [row.manifestDigest] : [])
  }

  /// Removes blobs and layers that no image names. Left for another time while anyone adds content.
  func collect() async throws {
    try await onBlockingThread("collect") { [self] in
      guard let lock = try locks.tryCollect() else { return }
      defer { lock.release() }
      let images = try metadata.images()
      let blobs = Set(
        images.flatMap { [$0.manifestDigest, $0.configDigest] + $0.layers.map(\.descriptor.digest) })
      let layers = Set(images.flatMap { $0.layers.map(\.key) })
      for (digest, _) in try content.list() where !blobs.contains(digest) { try content.remove(digest) }
      for key in try snapshots.list() where !layers.contains(key) { try snapshots.removeLayer(key) }
    }
  }
}
