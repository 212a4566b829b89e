package import EngineErrors
internal import GRDB
package import OCIModel

/// Which images need what on the disk, and how much that takes up there.
extension MetadataStore {
  /// Those of the items that no image has brought so far, or that nobody has measured.
  package func unmeasured(among items: Set<StoreItem>) throws(EngineError) -> Set<StoreItem> {
    try read("look up what is measured") { database in
      let statement = try database.cachedStatement(
        sql: "SELECT count(*) FROM content WHERE kind = ? AND digest = ? AND bytes IS NOT NULL")
      return try items.filter { try Int.fetchOne(statement, arguments: $0.arguments) == 0 }
    }
  }

  /// What images, and the cache of builds, need of one kind.
  package func itemsInUse(_ kind: StoreItem.Kind) throws(EngineError) -> Set<Digest> {
    try read("list the \(kind.rawValue)s in use") { database in
      let rows = try Row.fetchAll(
        database,
        sql: """
          SELECT digest FROM content WHERE kind = ?
          UNION SELECT \(kind == .blob ? "blob" : "tree") FROM buildSteps WHERE layer IS NOT NULL
          """, arguments: [kind.rawValue])
      return try Set(rows.map { try $0.digest(0) })
    }
  }

  /// All that images need, and which images.
  package func itemUses() throws(EngineError) -> [StoreItemUse] {
    try read("list what images need") { database in
      var uses: [StoreItemUse] = []
      var last: Int64?
      let rows = try Row.fetchCursor(
        database,
        sql: """
          SELECT content.id, kind, digest, bytes, image FROM imageContent JOIN content ON content.id = content
          ORDER BY content.id, image
          """)
      while let row = try rows.next() {
        let id: Int64 = try row.value(0)
        if id != last {
          uses.append(StoreItemUse(item: try row.item(1), bytes: try row.optional(3), images: []))
        }
        last = id
        uses[uses.count - 1].images.append(try row.digest(4))
      }
      return uses
    }
  }

  /// The other images that need any of these items, sorted: each by its first name, or its digest where it has none.
  package func sharers(of items: [StoreItem], besides image: Digest) throws(EngineError) -> [String] {
    try read("look up who shares with \(image.short)", subject: "\(image)") { database in
      let statement = try database.cachedStatement(
        sql: """
          SELECT ifnull((SELECT min(reference) FROM tags WHERE manifestDigest = image), image)
          FROM imageContent WHERE content = (SELECT id FROM content WHERE kind = ? AND digest = ?) AND image <> ?
          """)
      var sharers: Set<String> = []
      for item in items {
        sharers.formUnion(try String.fetchSet(statement, arguments: item.arguments + [image.description]))
      }
      return sharers.sorted()
    }
  }

  /// Takes down what items take up on the disk, in bytes. Those that no image needs (any more) are passed over.
  package func recordSizes(_ sizes: [StoreItem: Int64]) async throws(EngineError) {
    try await write("record what images take up", .process) { database in
      let statement = try database.cachedStatement(
        sql: "UPDATE content SET bytes = ? WHERE kind = ? AND digest = ? AND bytes IS NOT ?")
      for (item, bytes) in sizes {
        try statement.execute(arguments: [bytes, item.kind.rawValue, item.digest.description, bytes])
      }
    }
  }

  /// Says of an image that was just recorded what it needs.
  static func insertItems(of image: ImageRecord, _ sizes: [StoreItem: Int64], in database: Database) throws {
    let insertion = try database.cachedStatement(
      sql: """
        INSERT INTO content (kind, digest, bytes) VALUES (?, ?, ?)
        ON CONFLICT DO UPDATE SET bytes = excluded.bytes WHERE bytes IS NULL AND excluded.bytes IS NOT NULL
        """)
    let use = try database.cachedStatement(
      sql: "INSERT INTO imageContent SELECT ?, id FROM content WHERE kind = ? AND digest = ?")
    for item in image.items {
      try insertion.execute(arguments: [item.kind.rawValue, item.digest.description, sizes[item]])
      try use.execute(arguments: [
        image.manifestDigest.description, item.kind.rawValue, item.digest.description,
      ])
    }
  }
}

extension StoreItem {
  fileprivate var arguments: StatementArguments { [kind.rawValue, digest.description] }
}

extension Row {
  fileprivate func item(_ index: Int) throws -> StoreItem {
    let text: String = try value(index)
    guard let kind = StoreItem.Kind(rawValue: text) else { throw Self.damage("the kind '\(text)'") }
    return StoreItem(kind, try digest(index + 1))
  }
}
