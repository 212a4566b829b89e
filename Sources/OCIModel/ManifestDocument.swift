package import EngineErrors
import FoundationEssentials

/// A document that a manifest's name can stand for.
package enum ManifestDocument: Hashable, Sendable {
  case image(Manifest)
  case index(Index)

  /// Reads a document whose bytes have been verified, or will be, by their digest.
  ///
  /// A document says by its own fields what it is: one that has both `layers` and `manifests`, or whose fields
  /// and media type disagree, could be read as two different images and is refused (CVE-2021-41190).
  ///
  /// - Parameter mediaType: what the document came with; nil or a general type, such as a registry's
  ///   `application/json`, leaves it to the document.
  /// - Throws: `corrupt` for what is no JSON or no manifest, `unsupported` for other kinds of manifest.
  package init(parsing bytes: [UInt8], mediaType: String? = nil) throws(EngineError) {
    let data = Data(bytes)
    let shape: Shape
    do {
      shape = try JSONDecoder().decode(Shape.self, from: data)
    } catch {
      throw Self.corrupt(error)
    }
    guard shape.schemaVersion == 2 else {
      throw EngineError(
        .unsupported,
        "the manifest has schema version \(shape.schemaVersion.map(String.init) ?? "none"), not 2",
        hint: "the image must be pushed again by a current tool")
    }
    let known = MediaType.indexes.union(MediaType.manifests)
    let stated = [mediaType, shape.mediaType].compactMap(\.self).filter { $0 != "" && !Self.isGeneral($0) }
    if let other = stated.first(where: { !known.contains($0) }) {
      throw EngineError(.unsupported, "the manifest is of type \(other.prefix(200)), which is not an image")
    }
    guard shape.hasLayers != shape.hasManifests, Set(stated).count <= 1,
      stated.allSatisfy({ MediaType.indexes.contains($0) == shape.hasManifests })
    else {
      throw EngineError(.corrupt, "the manifest is neither clearly an image nor clearly an index")
    }
    do {
      if shape.hasManifests {
        var index = try JSONDecoder().decode(Index.self, from: data)
        index.mediaType = stated.first ?? MediaType.ociIndex
        self = .index(index)
      } else {
        var manifest = try JSONDecoder().decode(Manifest.self, from: data)
        manifest.mediaType = stated.first ?? MediaType.ociManifest
        self = .image(manifest)
      }
    } catch {
      throw Self.corrupt(error)
    }
  }

  package var mediaType: String {
    switch self {
    case .image(let manifest): manifest.mediaType ?? MediaType.ociManifest
    case .index(let index): index.mediaType ?? MediaType.ociIndex
    }
  }

  private struct Shape: Decodable {
    var schemaVersion: Int?
    var mediaType: String?
    var hasLayers: Bool
    var hasManifests: Bool

    enum CodingKeys: CodingKey {
      case schemaVersion
      case mediaType
      case layers
      case config
      case manifests
    }

    init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: CodingKeys.self)
      schemaVersion = try container.decodeIfPresent(Int.self, forKey: .schemaVersion)
      mediaType = try container.decodeIfPresent(String.self, forKey: .mediaType)
      hasLayers = container.contains(.layers) || container.contains(.config)
      hasManifests = container.contains(.manifests)
    }
  }

  private static func isGeneral(_ mediaType: String) -> Bool {
    ["application/json", "text/plain", "application/octet-stream"].contains(mediaType)
  }

  private static func corrupt(_ error: any Error) -> EngineError {
    EngineError(.corrupt, "the manifest cannot be read", causes: [decodingCause(error)])
  }
}

/// A decoding error in words: which field, and what is wrong with it.
func decodingCause(_ error: any Error) -> String {
  func at(_ context: DecodingError.Context, _ last: (any CodingKey)? = nil) -> String {
    (context.codingPath + [last].compactMap(\.self)).map { $0.intValue.map(String.init) ?? $0.stringValue }
      .joined(separator: ".")
  }
  switch error {
  case DecodingError.keyNotFound(let key, let context): return "the field \(at(context, key)) is missing"
  case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
    return context.codingPath.isEmpty
      ? "it is not a JSON object" : "the field \(at(context)) has the wrong type"
  case DecodingError.dataCorrupted(let context):
    return context.codingPath.isEmpty
      ? "it is not JSON" : "the field \(at(context)) is wrong: \(context.debugDescription)"
  default: return "\(error)"
  }
}

extension ImageConfig {
  /// Reads an image's configuration.
  ///
  /// - Throws: `corrupt` that names the field.
  package init(parsing bytes: [UInt8]) throws(EngineError) {
    do {
      self = try JSONDecoder().decode(ImageConfig.self, from: Data(bytes))
    } catch {
      throw EngineError(.corrupt, "the image's configuration cannot be read", causes: [decodingCause(error)])
    }
  }
}
