/// An image manifest (OCI image specification, "Image Manifest"; Docker's schema 2 has the same shape).
package struct Manifest: Hashable, Sendable, Codable {
  package var schemaVersion: Int
  package var mediaType: String?
  package var config: Descriptor
  package var layers: [Descriptor]
  package var annotations: [String: String]?

  package init(
    mediaType: String = MediaType.ociManifest, config: Descriptor, layers: [Descriptor],
    annotations: [String: String]? = nil
  ) {
    schemaVersion = 2
    self.mediaType = mediaType
    self.config = config
    self.layers = layers
    self.annotations = annotations
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    schemaVersion = try container.decode(Int.self, forKey: .schemaVersion)
    mediaType = try container.decodeIfPresent(String.self, forKey: .mediaType)
    config = try container.decode(Descriptor.self, forKey: .config)
    // Programs in Go write an empty list as null.
    layers = try container.decodeIfPresent([Descriptor].self, forKey: .layers) ?? []
    annotations = try container.decodeIfPresent([String: String].self, forKey: .annotations)
  }
}

/// An image index (OCI image specification, "Image Index"; Docker's manifest list has the same shape).
package struct Index: Hashable, Sendable, Codable {
  package var schemaVersion: Int
  package var mediaType: String?
  package var manifests: [Descriptor]

  package init(mediaType: String = MediaType.ociIndex, manifests: [Descriptor]) {
    schemaVersion = 2
    self.mediaType = mediaType
    self.manifests = manifests
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    schemaVersion = try container.decode(Int.self, forKey: .schemaVersion)
    mediaType = try container.decodeIfPresent(String.self, forKey: .mediaType)
    // Programs in Go write an empty list as null.
    manifests = try container.decodeIfPresent([Descriptor].self, forKey: .manifests) ?? []
  }
}
