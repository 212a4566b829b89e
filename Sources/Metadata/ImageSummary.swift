package import EngineErrors
internal import GRDB
package import OCIModel

/// An image as a list tells of it.
package struct ImageSummary: Hashable, Sendable {
  package var digest: Digest
  /// In full form, sorted.
  package var references: [String]
  package var platform: Platform
  /// As its configuration says.
  package var created: String?
  /// Bytes of the manifest, the configuration and the compressed layers.
  package var size: Int64
  package var layerCount: Int
  /// What it takes up on the disk, compressed and unpacked, in bytes.
  package var totalBytes: Int64
  /// How much of that no other image needs.
  package var uniqueBytes: Int64
}

extension MetadataStore {
  /// All images, the newest first.
  package func imageSummaries() throws(EngineError) -> [ImageSummary] {
    try read("list the images") { try Self.listed("", [], in: $0) }
  }

  /// - Throws: `notFound`.
  package func imageSummary(_ manifest: Digest) throws(EngineError) -> ImageSummary {
    let found = try read("look up the image \(manifest)", subject: manifest.description) { database in
      try Self.listed("WHERE images.manifestDigest = ?", [manifest.description], in: database).first
    }
    guard let found else {
      throw EngineError(.notFound, "no such image: \(manifest)", subject: manifest.description)
    }
    return found
  }

  private static func listed(
    _ filter: String, _ arguments: StatementArguments, in database: Database
  ) throws -> [ImageSummary] {
    let statement = try database.cachedStatement(
      sql: """
        SELECT images.manifestDigest, reference, platform, created, size, layerCount, totalBytes, uniqueBytes
        FROM images LEFT JOIN tags USING (manifestDigest) \(filter)
        ORDER BY images.createdAt DESC, images.manifestDigest, reference
        """)
    var images: [ImageSummary] = []
    var last = ""
    // Most images are for one platform.
    var platform = (text: "", value: Platform.host)
    let rows = try Row.fetchCursor(statement, arguments: arguments)
    while let row = try rows.next() {
      let digest: String = try row.value(0)
      let reference: String? = try row.optional(1)
      if digest == last {
        images[images.count - 1].references += [reference].compactMap(\.self)
        continue
      }
      last = digest
      let name: String = try row.value(2)
      if name != platform.text { platform = (name, try row.checked { try Platform(parsing: name) }) }
      images.append(
        ImageSummary(
          digest: try row.checked { try Digest(digest) }, references: reference.map { [$0] } ?? [],
          platform: platform.value, created: try row.optional(3), size: try row.value(4),
          layerCount: try row.value(5), totalBytes: try row.value(6), uniqueBytes: try row.value(7)))
    }
    return images
  }
}
