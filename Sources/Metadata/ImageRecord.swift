package import OCIModel

/// An image whose manifest, configuration and layers are all in the store.
package struct ImageRecord: Hashable, Sendable {
  package var manifestDigest: Digest
  /// The manifest's.
  package var mediaType: String
  package var configDigest: Digest
  /// Bytes of the manifest, the configuration and the compressed layers.
  package var size: Int64
  package var platform: Platform
  /// The bottom layer first.
  package var layers: [LayerRecord]
  /// When it was first recorded, in nanoseconds since 1970.
  package var createdAt: Int64
  /// When it was made, as its configuration says.
  package var created: String?

  package init(
    manifestDigest: Digest, mediaType: String, configDigest: Digest, size: Int64, platform: Platform,
    layers: [LayerRecord], createdAt: Int64, created: String? = nil
  ) {
    self.manifestDigest = manifestDigest
    self.mediaType = mediaType
    self.configDigest = configDigest
    self.size = size
    self.platform = platform
    self.layers = layers
    self.createdAt = createdAt
    self.created = created
  }
}

/// One layer of an image and where it is unpacked.
package struct LayerRecord: Hashable, Sendable, Codable {
  /// The compressed blob.
  package var descriptor: Descriptor
  /// The digest of the uncompressed layer.
  package var diffID: Digest
  /// Under which the unpacked layer is kept: its DiffID, or a name of its place where it depends on what
  /// is below.
  package var key: Digest

  package init(descriptor: Descriptor, diffID: Digest, key: Digest) {
    self.descriptor = descriptor
    self.diffID = diffID
    self.key = key
  }
}

/// An image with names that are to point to it, in full form, and the events that tell of it.
package struct NamedImage: Sendable {
  package var image: ImageRecord
  package var references: [String]
  package var events: [JournalEvent]

  package init(image: ImageRecord, references: [String], events: [JournalEvent]) {
    self.image = image
    self.references = references
    self.events = events
  }
}

/// A name that points to an image.
package struct TagRecord: Hashable, Sendable {
  /// In full form, as `docker.io/library/busybox:latest`, or with a digest by which the image was pulled, and no tag: that of
  /// its manifest, or of an index that leads to it.
  package var reference: String
  package var manifestDigest: Digest
  /// When it was made to point there, in nanoseconds since 1970.
  package var createdAt: Int64

  package init(reference: String, manifestDigest: Digest, createdAt: Int64) {
    self.reference = reference
    self.manifestDigest = manifestDigest
    self.createdAt = createdAt
  }
}
