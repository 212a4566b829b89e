import EngineErrors
import Metadata
package import OCIModel

extension Engine {
  /// All images, the newest first.
  package func listImages() throws -> [ImageSummary] {
    let tags = try metadata.tags()
    return try metadata.images().map { summary($0, tags: tags, created: $0.created) }
      .sorted { ($0.created ?? "", "\($0.digest)") > ($1.created ?? "", "\($1.digest)") }
  }

  /// - Throws: `notFound`; `corrupt` when a document of the image is damaged.
  package func inspectImage(_ name: String) throws -> ImageDetails {
    let row = try image(named: name)
    let config = try config(of: row)
    return ImageDetails(
      summary: summary(row, tags: try metadata.tags(), created: config.created),
      manifest: try manifest(of: row),
      layers: row.layers.map { ImageLayer(descriptor: $0.descriptor, diffID: $0.diffID) },
      config: config)
  }

  /// The image's history, the newest first. Layers that no history names come as entries of their own.
  package func history(_ name: String) throws -> [ImageHistoryEntry] {
    let details = try inspectImage(name)
    var layers = details.layers[...]
    var entries: [ImageHistoryEntry] = []
    for entry in details.config.history ?? [] {
      entries.append(
        ImageHistoryEntry(entry: entry, layer: entry.emptyLayer == true ? nil : layers.popFirst()))
    }
    entries += layers.map { ImageHistoryEntry(entry: .init(), layer: $0) }
    return entries.reversed()
  }

  /// Gives an image one more name; a name that another image had moves over.
  package func tag(_ name: String, as newName: String) throws -> ImageSummary {
    let row = try image(named: name)
    let reference = try Reference(parsing: newName)
    guard reference.digest == nil else {
      throw EngineError(.invalidArgument, "cannot tag with a digest: \(newName)", subject: newName)
    }
    try metadata.setTag(
      reference.description, to: row.manifestDigest,
      events: [.imageTagged(row.manifestDigest, reference: reference.description)])
    return summary(row, tags: try metadata.tags(), created: row.created)
  }
}
