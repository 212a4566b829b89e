package import OCIModel

/// An image that a stage of a build began with, under the name and for the platform by which it was asked for.
package struct BuildBase: Hashable, Sendable {
  /// In full form.
  package var name: String
  package var platform: Platform
  package var manifest: Digest
  /// It decides about the cache.
  package var config: Digest

  package init(name: String, platform: Platform, manifest: Digest, config: Digest) {
    self.name = name
    self.platform = platform
    self.manifest = manifest
    self.config = config
  }
}
