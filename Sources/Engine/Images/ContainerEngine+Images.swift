import EngineErrors
import LinuxSystem
import Metadata
import OCIModel

extension ContainerEngine {
  /// All images, the newest first.
  package func listImages() throws -> [ImageSummary] {
    try metadata.imageSummaries()
  }

  /// - Throws: `notFound`; `corrupt` when a document of the image is damaged.
  package func inspectImage(_ name: String) throws -> ImageDetails {
    let image = try image(named: name)
    return ImageDetails(
      summary: try summary(image), configDigest: image.configDigest, mediaType: image.mediaType,
      layers: image.layers.map { ImageLayer(descriptor: $0.descriptor, diffID: $0.diffID) },
      config: try config(of: image))
  }

  /// The image's history, the newest first. Layers that no history names come as entries of their own.
  package func history(_ name: String) throws -> [ImageHistoryEntry] {
    let image = try image(named: name)
    var layers = image.layers[...]
    var entries: [ImageHistoryEntry] = []
    for entry in try config(of: image).history ?? [] {
      entries.append(
        try historyEntry(entry, entry.emptyLayer == true ? nil : layers.popFirst(), of: image))
    }
    entries += try layers.map { try historyEntry(.init(), $0, of: image) }
    return entries.reversed()
  }

  private func historyEntry(
    _ entry: ImageConfig.History, _ layer: LayerRecord?, of image: ImageRecord
  ) throws -> ImageHistoryEntry {
    guard let layer else { return ImageHistoryEntry(entry: entry) }
    // One that has it in another compression shares the tree, one that is stacked otherwise the blob.
    let sharers = try metadata.sharers(
      of: [StoreItem(.layer, layer.key), StoreItem(.blob, layer.descriptor.digest)],
      besides: image.manifestDigest)
    return ImageHistoryEntry(
      entry: entry, layer: ImageLayer(descriptor: layer.descriptor, diffID: layer.diffID),
      sharers: sharers)
  }

  /// Gives an image one more name; a name that another image had moves over.
  package func tag(_ name: String, as newName: String) async throws -> ImageSummary {
    let image = try image(named: name)
    let reference = try Reference(parsing: newName)
    guard reference.digest == nil else {
      throw EngineError(.invalidArgument, "cannot tag with a digest: \(newName)", subject: newName)
    }
    try await metadata.setTag(
      reference.description, to: image.manifestDigest, at: Timestamp.now,
      events: [.imageTagged(image.manifestDigest, reference: reference.description)])
    return try summary(image)
  }
}
