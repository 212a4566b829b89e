package import EngineErrors
internal import GRDB
internal import LinuxSystem
package import OCIModel

extension MetadataStore {
  /// Records an image and points `reference` to it, both or neither; an image that is there already stays as
  /// it is.
  ///
  /// All that the rows name must be in the store and on the disk before this call.
  ///
  /// - Parameters:
  ///   - sizes: what its parts take up on the disk, in bytes, as far as that is not known yet (`unmeasured`).
  ///   - reference: the name in full form; nil records the image without a name.
  ///   - time: of the name, in nanoseconds since 1970.
  /// - Returns: where the name pointed before, if it is another image now.
  @discardableResult
  package func recordImage(
    _ image: ImageRecord, sizes: [StoreItem: Int64] = [:], reference: String? = nil, at time: Int64,
    events: [JournalEvent] = []
  ) async throws(EngineError) -> Digest? {
    let named = NamedImage(image: image, references: [reference].compactMap(\.self), events: events)
    return try await recordImages([named], sizes: sizes, at: time).first ?? nil
  }

  /// Records images with their names, all or nothing; as `recordImage` does with one.
  ///
  /// - Returns: for each name of each image, in order, where it pointed before, if it is another image now.
  @discardableResult
  package func recordImages(
    _ images: [NamedImage], sizes: [StoreItem: Int64], at time: Int64
  ) async throws(EngineError) -> [Digest?] {
    let arguments: [StatementArguments]
    do {
      arguments = try images.map { try $0.image.arguments() }
    } catch {
      throw EngineError("record the image", wrapping: error)
    }
    let subject = images.count == 1 ? images.first?.image.manifestDigest.description : nil
    let previous: [Digest?] = try await write("record the image", subject: subject, .disk) { database in
      defer { Failpoint.imageWritten.pass() }
      var previous: [Digest?] = []
      for (named, arguments) in zip(images, arguments) {
        try database.execute(
          sql: """
            INSERT INTO images (\(ImageRecord.insertedColumns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (manifestDigest) DO NOTHING
            """, arguments: arguments)
        if database.changesCount == 1 { try Self.insertItems(of: named.image, sizes, in: database) }
        for reference in named.references {
          previous.append(
            try Self.point(reference, to: named.image.manifestDigest, at: time, in: database).previous)
        }
      }
      return previous
    } events: {
      images.flatMap(\.events)
    }
    Failpoint.imageRecorded.pass()
    return previous
  }

  /// Points a name to an image that is there. Where it does so already, there is no event.
  ///
  /// - Returns: where the name pointed before, if it is another image now.
  /// - Throws: `notFound` when there is no such image.
  @discardableResult
  package func setTag(
    _ reference: String, to manifest: Digest, at time: Int64, events: [JournalEvent] = []
  ) async throws(EngineError) -> Digest? {
    try await write("tag the image \(manifest.short) as \(reference)", subject: reference, .disk) {
      database in
      guard try Self.image(manifest, in: database) != nil else {
        throw EngineError(.notFound, "no such image: \(manifest)", subject: manifest.description)
      }
      return try Self.point(reference, to: manifest, at: time, in: database)
    } eventsFor: {
      $0.isNew ? events : []
    }.previous
  }

  /// The image that a name, in full form, points to.
  package func image(tagged reference: String) throws(EngineError) -> ImageRecord? {
    try read("look up the image \(reference)", subject: reference) { database in
      // Kept, as each start asks: to prepare it takes ten times as long.
      let statement = try database.cachedStatement(
        sql: """
          SELECT \(ImageRecord.columns) FROM images
          WHERE manifestDigest = (SELECT manifestDigest FROM tags WHERE reference = ?)
          """)
      return try Row.fetchOne(statement, arguments: [reference]).map { try ImageRecord($0) }
    }
  }

  package func image(_ manifest: Digest) throws(EngineError) -> ImageRecord? {
    try read("look up the image \(manifest)", subject: manifest.description) { database in
      try Self.image(manifest, in: database)
    }
  }

  /// All images whose manifest's digest begins so, or else that of an index by which they have a name, in hexadecimal without
  /// `sha256:`; ten at the most.
  package func images(digestPrefix prefix: String) throws(EngineError) -> [ImageRecord] {
    // Nothing else can begin a digest, and LIKE and GLOB have characters of their own.
    guard !prefix.isEmpty, prefix.utf8.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) })
    else {
      return []
    }
    return try read("look up the image \(prefix)", subject: prefix) { database in
      func images(_ condition: String, _ pattern: String) throws -> [ImageRecord] {
        try Row.fetchAll(
          database,
          sql:
            "SELECT \(ImageRecord.columns) FROM images WHERE \(condition) ORDER BY manifestDigest LIMIT 10",
          arguments: [pattern]
        ).map { try ImageRecord($0) }
      }
      let found = try images("manifestDigest GLOB ?", "sha256:\(prefix)*")
      guard found.isEmpty else { return found }
      return try images(
        "manifestDigest IN (SELECT manifestDigest FROM tags WHERE reference GLOB ?)", "*@sha256:\(prefix)*")
    }
  }

  /// All images, the newest first.
  package func images() throws(EngineError) -> [ImageRecord] {
    try read("list the images") { database in
      try Row.fetchAll(
        database, sql: "SELECT \(ImageRecord.columns) FROM images ORDER BY createdAt DESC, manifestDigest"
      ).map { try ImageRecord($0) }
    }
  }

  /// All names, or those of one image, in order.
  package func tags(of manifest: Digest? = nil) throws(EngineError) -> [TagRecord] {
    try read("list the images' names") { database in
      let filter = manifest == nil ? "" : "WHERE manifestDigest = ?"
      return try Row.fetchAll(
        database, sql: "SELECT \(TagRecord.columns) FROM tags \(filter) ORDER BY reference",
        arguments: manifest.map { [$0.description] } ?? []
      ).map { try TagRecord($0) }
    }
  }

  /// Removes names, and with the last one the image if that is asked for, all or nothing.
  ///
  /// - Parameters:
  ///   - references: in full form; those that do not point to the image are left.
  ///   - withImage: whether the image goes too.
  ///   - events: what tells of this, given the names that were there to remove, and whether the image was.
  /// - Returns: the names that this took away, and whether it took the image away.
  /// - Throws: `inUse` when a container was made from an image that is to go; `conflict` when it has got another
  ///   name meanwhile.
  @discardableResult
  package func removeNames(
    _ references: [String], of manifest: Digest, withImage: Bool,
    events: @escaping @Sendable (_ names: [String], _ image: Bool) -> [JournalEvent] = { _, _ in [] }
  ) async throws(EngineError) -> (names: [String], image: Bool) {
    let subject = manifest.description
    return try await write("remove the image \(manifest.short)", subject: subject, .disk) { database in
      let removed = try references.filter { reference in
        try database.execute(
          sql: "DELETE FROM tags WHERE reference = ? AND manifestDigest = ?", arguments: [reference, subject])
        return database.changesCount > 0
      }
      guard withImage else { return (names: removed, image: false) }
      let users = try String.fetchAll(
        database, sql: "SELECT name FROM containers WHERE imageDigest = ? ORDER BY name", arguments: [subject]
      )
      guard users.isEmpty else {
        throw EngineError(
          .inUse, "cannot remove the image \(manifest.short): containers use it", subject: subject,
          causes: users.prefix(10).map { "container \($0)" }, hint: "remove these containers first")
      }
      let names = try Int.fetchOne(
        database, sql: "SELECT count(*) FROM tags WHERE manifestDigest = ?", arguments: [subject])
      guard names == 0 else {
        throw EngineError(
          .conflict, "cannot remove the image \(manifest.short): it has got another name", subject: subject)
      }
      try database.execute(sql: "DELETE FROM images WHERE manifestDigest = ?", arguments: [subject])
      return (names: removed, image: database.changesCount > 0)
    } eventsFor: {
      events($0.names, $0.image)
    }
  }

  private static func image(_ manifest: Digest, in database: Database) throws -> ImageRecord? {
    let statement = try database.cachedStatement(
      sql: "SELECT \(ImageRecord.columns) FROM images WHERE manifestDigest = ?")
    return try Row.fetchOne(statement, arguments: [manifest.description]).map { try ImageRecord($0) }
  }

  private static func point(
    _ reference: String, to manifest: Digest, at time: Int64, in database: Database
  ) throws -> (isNew: Bool, previous: Digest?) {
    let previous = try Row.fetchOne(
      database, sql: "SELECT manifestDigest FROM tags WHERE reference = ?", arguments: [reference]
    )?.digest(0)
    if previous == manifest { return (false, nil) }
    // Not with REPLACE, which does not tell the triggers what it takes away.
    try database.execute(sql: "DELETE FROM tags WHERE reference = ?", arguments: [reference])
    try database.execute(
      sql: "INSERT INTO tags (\(TagRecord.columns)) VALUES (?, ?, ?)",
      arguments: [reference, manifest.description, time])
    return (true, previous)
  }
}
