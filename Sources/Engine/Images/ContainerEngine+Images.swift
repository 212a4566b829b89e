import EngineErrors
import LinuxSystem
import Metadata
package import OCIModel

extension ContainerEngine {
  /// All images, the newest first.
  package func listImages() throws -> [ImageSummary] {
    let tags = Dictionary(grouping: try metadata.tags(), by: \.manifestDigest)
    return try metadata.images().map { summary($0, tags[$0.manifestDigest] ?? []) }
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
