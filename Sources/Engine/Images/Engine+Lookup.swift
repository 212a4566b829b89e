import EngineErrors
import Foundation
import Metadata
package import OCIModel

/// A manifest of our own store and one fetched are read within this limit (bytes).
let documentLimit = 4 << 20

extension Engine {
  /// Finds an image by name, by digest, or by the first digits of its digest.
  ///
  /// - Throws: `notFound` with the nearest names, `invalidArgument` for a prefix that fits several images.
  func image(named text: String) throws -> ImageRow {
    if let digest = try? Digest(text), let row = try metadata.image(digest) { return row }
    if let reference = try? Reference(parsing: text) {
      if let row = try imageTagged(reference) { return row }
    }
    if text.count >= 4, text.allSatisfy(\.isHexDigit) {
      let matches = try metadata.images().filter { $0.manifestDigest.hex.hasPrefix(text) }
      if let only = matches.first, matches.count == 1 { return only }
      if matches.count > 1 {
        throw EngineError(
          .invalidArgument, "\(matches.count) images begin with \(text)", subject: text,
          hint: "give more digits")
      }
    }
    // A name that is none at all says so, rather than that it was not found.
    _ = try Reference(parsing: text)
    throw EngineError(
      .notFound, "no image is named \(text)", subject: text, hint: "image/list shows the images there are")
  }

  private func imageTagged(_ reference: Reference) throws -> ImageRow? {
    if let digest = reference.digest, let row = try metadata.image(digest) { return row }
    guard let tag = try metadata.tag(reference.description) else { return nil }
    return try metadata.image(tag.manifestDigest)
  }

  func summary(_ row: ImageRow, tags: [TagRow], created: String?) -> ImageSummary {
    ImageSummary(
      digest: row.manifestDigest,
      references: tags.filter { $0.manifestDigest == row.manifestDigest }.map(\.reference).sorted(),
      platform: row.platform, created: created, size: row.size, layerCount: row.layers.count)
  }

  func config(of row: ImageRow) throws -> ImageConfig {
    try decode(ImageConfig.self, content.read(row.configDigest, limit: documentLimit), row.configDigest)
  }

  func manifest(of row: ImageRow) throws -> Manifest {
    try decode(Manifest.self, content.read(row.manifestDigest, limit: documentLimit), row.manifestDigest)
  }

  func decode<Document: Decodable>(_ type: Document.Type, _ bytes: [UInt8], _ digest: Digest) throws
    -> Document
  {
    do {
      return try JSONDecoder().decode(type, from: Data(bytes))
    } catch {
      throw EngineError(
        .corrupt, "cannot read \(type) \(digest.short)", subject: "\(digest)", causes: ["\(error)"])
    }
  }
}

/// The bytes of a document of ours: the same document always gives the same bytes, and so the same digest.
func encode(_ document: some Encodable) throws -> [UInt8] {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
  return Array(try encoder.encode(document))
}
