import EngineErrors
import Foundation
import Metadata
import OCIModel

/// Manifests, configurations and indexes are read within this limit, in bytes.
let documentLimit = 4 << 20

extension ContainerEngine {
  /// Finds an image by name, by digest, or by the first digits of its digest.
  ///
  /// - Throws: `notFound`, `invalidArgument` for a prefix that fits several images or a name that is none.
  func image(named text: String) throws -> ImageRecord {
    let digest = try? Digest(text)
    if let digest, let image = try metadata.image(digest) { return image }
    let reference = try? Reference(parsing: text)
    if let reference, let image = try imageTagged(reference) { return image }
    if text.count >= 4 {
      let matches = try metadata.images(digestPrefix: digest?.hex ?? text)
      if matches.count > 1 {
        throw EngineError(
          .invalidArgument, "\(matches.count) images begin with \(text)", subject: text,
          hint: "give more digits")
      }
      if let only = matches.first { return only }
    }
    // A name that is none at all says so, rather than that it was not found.
    if reference == nil { _ = try Reference(parsing: text) }
    let names = try metadata.tags().compactMap { try? Reference(parsing: $0.reference).familiar }
    let near = reference.flatMap { NearMiss.of($0.familiar, in: names) }
    throw EngineError(
      .notFound, "no image is named \(text)", subject: text,
      hint: near.map { "did you mean \($0)? else pull it" } ?? "pull it, or list the images there are")
  }

  private func imageTagged(_ reference: Reference) throws -> ImageRecord? {
    guard let digest = reference.digest else { return try metadata.image(tagged: reference.description) }
    // The digest may be that of an index, by which the image has a name of its own.
    return try metadata.image(tagged: reference.withoutTag.description) ?? metadata.image(digest)
  }

  func summary(_ image: ImageRecord) throws -> ImageSummary {
    try metadata.imageSummary(image.manifestDigest)
  }

  func config(of image: ImageRecord) throws -> ImageConfig {
    try decode(ImageConfig.self, content.read(image.configDigest, limit: documentLimit), image.configDigest)
  }

  func manifest(of image: ImageRecord) throws -> Manifest {
    try decode(
      Manifest.self, content.read(image.manifestDigest, limit: documentLimit), image.manifestDigest)
  }

  func decode<Document: Decodable>(_ type: Document.Type, _ bytes: [UInt8], _ digest: Digest) throws
    -> Document
  {
    do {
      return try JSONDecoder().decode(type, from: Data(bytes))
    } catch {
      throw EngineError(
        .corrupt, "cannot read the \(type) \(digest.short)", subject: "\(digest)", causes: ["\(error)"],
        hint: "the image is broken; build and push it again")
    }
  }
}

/// The bytes of a document of ours: the same document always gives the same bytes, and so the same digest.
func encode(_ document: some Encodable) throws -> [UInt8] {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
  return Array(try encoder.encode(document))
}
