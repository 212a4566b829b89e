package import OCIModel

/// An image as the engine tells of it.
package struct ImageSummary: Hashable, Sendable {
  /// The digest of its manifest, which is its identity.
  package var digest: Digest
  /// Full names, sorted.
  package var references: [String]
  package var platform: Platform
  /// As the image's configuration has it (RFC 3339).
  package var created: String?
  /// The compressed layers, configuration and manifest, in bytes.
  package var size: Int64
  package var layerCount: Int
}

package struct ImageLayer: Hashable, Sendable {
  package var descriptor: Descriptor
  package var diffID: Digest
}

/// An image with all that its manifest and configuration say.
package struct ImageDetails: Sendable {
  package var summary: ImageSummary
  package var configDigest: Digest
  /// Of the manifest.
  package var mediaType: String
  package var layers: [ImageLayer]
  package var config: ImageConfig
}

/// One line of an image's history.
package struct ImageHistoryEntry: Hashable, Sendable {
  package var entry: ImageConfig.History
  /// Nil where the instruction made no layer.
  package var layer: ImageLayer?
}
