package import EngineErrors
package import OCIModel

/// Which image of an index runs on a platform.
package enum PlatformChoice {
  /// The entry that fits `wanted` best: the same variant, else the nearest one below it. An entry without a
  /// platform is taken only where it is the index's one image.
  ///
  /// - Throws: `notFound` with the platforms that the index does have.
  package static func select(from index: Index, wanted: Platform) throws(EngineError) -> Descriptor {
    let images = index.manifests.filter { entry in
      // Signatures and attestations are listed as images for platform unknown/unknown.
      entry.platform?.os != "unknown" && (entry.mediaType.isEmpty || isKnown(entry.mediaType))
    }
    let fitting = images.filter { $0.platform?.satisfies(wanted) == true }
    if let best = fitting.first(where: { $0.platform?.variantLevel == wanted.variantLevel })
      ?? nearest(fitting)
    {
      return best
    }
    if images.count == 1, let only = images.first, only.platform == nil { return only }
    var seen: [String] = []
    for platform in images.compactMap({ $0.platform?.description }) where !seen.contains(platform) {
      seen.append(platform)
    }
    throw EngineError(
      .notFound, "cannot choose an image for platform \(wanted)", subject: wanted.description,
      causes: [
        seen.isEmpty ? "the index has no image" : "the index has images for \(seen.joined(separator: ", "))"
      ],
      hint: seen.isEmpty ? nil : "ask for one of these platforms")
  }

  private static func isKnown(_ mediaType: String) -> Bool {
    MediaType.manifests.contains(mediaType) || MediaType.indexes.contains(mediaType)
  }

  /// The highest variant, the earliest where several have it.
  private static func nearest(_ entries: [Descriptor]) -> Descriptor? {
    var best: Descriptor?
    for entry in entries {
      guard let chosen = best else {
        best = entry
        continue
      }
      if (entry.platform?.variantLevel ?? 0) > (chosen.platform?.variantLevel ?? 0) { best = entry }
    }
    return best
  }
}
