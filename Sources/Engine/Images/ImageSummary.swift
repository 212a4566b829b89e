package import Metadata
package import OCIModel

/// An image as the engine tells of it.
package typealias ImageSummary = Metadata.ImageSummary

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
  /// The other images that have the layer, by their first name, or by digest where they have none.
  package var sharers: [String] = []
}
