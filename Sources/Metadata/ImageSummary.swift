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

  package init(
    digest: Digest, references: [String], platform: Platform, created: String?, size: Int64, layerCount: Int,
    totalBytes: Int64, uniqueBytes: Int64
  ) {
    self.digest = digest
    self.references = references
    self.platform = platform
    self.created = created
    self.size = size
    self.layerCount = layerCount
    self.totalBytes = totalBytes
    self.uniqueBytes = uniqueBytes
  }
}

extension MetadataStore {
  /// All images, the newest first.
  package func imageSummaries() throws(EngineError) -> [ImageSummary] {
    try read("list the images") { try Self.listed("", [], in: $0) }
  }

  /// - Throws: `notFound`.
  package func imageSummary(_ manifest: Digest) throws(EngineError) -> ImageSummary {
    let found = try read("look up the image \(manifest)", subject: manifest.description) { database in
      try Self.listed("WHERE manifestDigest = ?", [manifest.description], in: database).first
    }
    guard let found else {
      throw EngineError(.notFound, "no such image: \(manifest)", subject: manifest.description)
    }
    return found
  }

  private static func listed(
    _ filter: String, _ arguments: StatementArguments, in database: Database
  ) throws -> [ImageSummary] {
    var images: [ImageSummary] = []
    // Most images are for one platform.
    var platform = (text: "", value: Platform.host)
    let rows = try Row.fetchCursor(
      database,
      sql: """
        SELECT manifestDigest, platform, created, size, layerCount, totalBytes, uniqueBytes, names
        FROM images \(filter) ORDER BY createdAt DESC, manifestDigest
        """, arguments: arguments)
    while let row = try rows.next() {
      let digest = try row.text(0)
      let name = try row.text(1)
      if name != platform.text { platform = (name, try row.checked { try Platform(parsing: name) }) }
      images.append(
        ImageSummary(
          digest: try row.checked { try Digest(digest) }, references: Self.lines(row[7]),
          platform: platform.value, created: row[2], size: try row.integer(3),
          layerCount: Int(try row.integer(4)), totalBytes: try row.integer(5),
          uniqueBytes: try row.integer(6)))
    }
    return images
  }

  private static func lines(_ text: String?) -> [String] {
    guard let text else { return [] }
    return text.utf8.contains(UInt8(ascii: "\n")) ? text.split(separator: "\n").map(String.init) : [text]
  }
}

/// Straight from SQLite's row, without a value in between: the tables are strict, so that a column has its own type or none.
extension Row {
  fileprivate func text(_ index: Int) throws -> String {
    guard let text: String = self[index] else { throw Self.damage("no value in column \(index)") }
    return text
  }

  fileprivate func integer(_ index: Int) throws -> Int64 {
    guard let integer: Int64 = self[index] else { throw Self.damage("no value in column \(index)") }
    return integer
  }
}
