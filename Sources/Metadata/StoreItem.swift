package import OCIModel

/// A part of an image on the disk, which other images may have too.
package struct StoreItem: Hashable, Sendable {
  package enum Kind: String, Sendable {
    /// A manifest, a configuration, or a compressed layer, by its digest.
    case blob
    /// An unpacked layer, by its key.
    case layer
  }
  package var kind: Kind
  package var digest: Digest

  package init(_ kind: Kind, _ digest: Digest) {
    self.kind = kind
    self.digest = digest
  }
}

/// An item and who needs it.
package struct StoreItemUse: Sendable {
  package var item: StoreItem
  /// On the disk; nil where it has not been measured.
  package var bytes: Int64?
  package var images: [Digest]
}

extension ImageRecord {
  /// All that it needs, each once.
  package var items: Set<StoreItem> {
    var items: Set<StoreItem> = [StoreItem(.blob, manifestDigest), StoreItem(.blob, configDigest)]
    for layer in layers {
      items.insert(StoreItem(.blob, layer.descriptor.digest))
      items.insert(StoreItem(.layer, layer.key))
    }
    return items
  }
}
