package import EngineErrors
internal import Foundation
internal import GRDB
package import OCIModel

/// The cache of builds. What it names is on the disk, as with images: its layers stay as long as its rows do.
extension MetadataStore {
  /// One of them, without what decided about it, which may name thousands of files.
  package func buildStep(_ key: Digest) throws(EngineError) -> BuildStepRecord? {
    try read("look up a step of builds", subject: key.description) { database in
      try Row.fetchOne(
        database.cachedStatement(
          sql: "SELECT \(BuildStepRecord.plainColumns) FROM buildSteps WHERE key = ?"),
        arguments: [key.description]
      ).map { try BuildStepRecord($0) }
    }
  }

  /// Earlier steps that one without an entry may be compared with, the likeliest first: the same instruction at the same
  /// place, another one there, the same one elsewhere; of each the newest.
  package func buildSteps(like source: String, keyword: String, after parent: Digest) throws(EngineError)
    -> [BuildStepRecord]
  {
    try read("look up steps of builds") { database in
      func newest(_ condition: String, _ arguments: StatementArguments) throws -> [BuildStepRecord] {
        try Row.fetchAll(
          database,
          sql: """
            SELECT \(BuildStepRecord.columns) FROM buildSteps WHERE \(condition)
            ORDER BY usedAt DESC LIMIT 1
            """, arguments: arguments
        ).map { try BuildStepRecord($0) }
      }
      return try newest("parent = ? AND source = ?", [parent.description, source])
        + newest(
          "parent = ? AND source <> ? AND upper(substr(source, 1, ?)) = ?",
          [parent.description, source, keyword.count, keyword])
        + newest("source = ? AND parent <> ?", [source, parent.description])
    }
  }

  /// All of them, the one that was of no use for longest first, without what decided about them.
  package func buildSteps() throws(EngineError) -> [BuildStepRecord] {
    try read("list the steps of builds") { database in
      try Row.fetchAll(
        database,
        sql: """
          SELECT \(BuildStepRecord.plainColumns) FROM buildSteps
          ORDER BY usedAt, key
          """
      ).map { try BuildStepRecord($0) }
    }
  }

  /// Keeps steps whose layers are on the disk, notes that others were of use, and what stages began with.
  package func recordBuildSteps(
    _ steps: [BuildStepRecord], used: [Digest], bases: [BuildBase] = [], at time: Int64,
    events: [JournalEvent] = []
  ) async throws(EngineError) {
    try await write("record the steps of a build", .disk) { database in
      let insertion = try database.cachedStatement(
        sql: """
          INSERT INTO buildSteps (\(BuildStepRecord.columns), blob, tree) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
          ON CONFLICT (key) DO UPDATE SET layer = excluded.layer, blob = excluded.blob, tree = excluded.tree,
            milliseconds = excluded.milliseconds, createdAt = excluded.createdAt, usedAt = excluded.usedAt
          """)
      for step in steps { try insertion.execute(arguments: try step.arguments()) }
      let use = try database.cachedStatement(sql: "UPDATE buildSteps SET usedAt = ? WHERE key = ?")
      for key in used { try use.execute(arguments: [time, key.description]) }
      try Self.insert(bases, at: time, in: database)
    } events: {
      events
    }
  }

  /// - Returns: whether it was there.
  @discardableResult
  package func removeBuildStep(_ key: Digest) async throws(EngineError) -> Bool {
    try await write("remove a step of builds", subject: key.description, .process) { database in
      try database.execute(sql: "DELETE FROM buildSteps WHERE key = ?", arguments: [key.description])
      return database.changesCount > 0
    }
  }
}

/// Containers of instructions that are kept to look into them, each with an image that is its own.
extension MetadataStore {
  /// Adds a container, connected, and the image that it is made from, all or nothing. What the image names is on the disk.
  package func insertBuildContainer(
    _ container: ContainerRecord, of image: ImageRecord, sizes: [StoreItem: Int64],
    connecting connections: [EndpointRequest] = [], choosing choose: @escaping AddressChoice,
    events: [JournalEvent]
  ) async throws(EngineError) {
    let arguments: StatementArguments
    do { arguments = try image.arguments() } catch {
      throw EngineError("record the image", wrapping: error)
    }
    try await write("keep a step of a build", subject: container.id, .disk) { database in
      try database.execute(
        sql: "INSERT INTO images (\(ImageRecord.insertedColumns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        arguments: arguments)
      try Self.insertItems(of: image, sizes, in: database)
      try database.execute(
        sql: "INSERT INTO containers (\(ContainerRecord.columns)) VALUES (\(ContainerRecord.placeholders))",
        arguments: container.arguments)
      for connection in connections { _ = try Self.connect(container.id, connection, choose, in: database) }
    } events: {
      events
    }
  }

  /// Removes a container that does not run and its image, which stays where somebody has given it a name or uses it.
  ///
  /// - Parameter states: what its row may say.
  /// - Returns: whether the container could be removed.
  package func removeBuildContainer(
    _ container: ContainerRecord, from states: Set<ContainerState>, events: [JournalEvent]
  ) async throws(EngineError) -> Bool {
    let (id, image) = (container.id, container.imageDigest.description)
    return try await write("remove the container \(id)", subject: id, .disk) { database in
      try database.execute(
        sql: "DELETE FROM containers WHERE id = ? AND state IN (\(Self.list(states)))",
        arguments: [id])
      guard database.changesCount == 1 else { return false }
      try database.execute(
        sql: """
          DELETE FROM images WHERE manifestDigest = ? AND names IS NULL
          AND NOT EXISTS (SELECT 1 FROM containers WHERE imageDigest = manifestDigest)
          """, arguments: [image])
      return true
    } eventsFor: {
      $0 ? events : []
    }
  }
}

extension BuildStepRecord {
  /// Without its inputs.
  static let plainColumns = columns.replacing("inputs", with: "'{}'")
  static let columns = "key, parent, source, inputs, layer, milliseconds, createdAt, usedAt"

  init(_ row: Row) throws {
    func decode<Value: Decodable>(_ type: Value.Type, _ text: String) throws -> Value {
      try row.checked { try JSONDecoder().decode(type, from: Data(text.utf8)) }
    }
    try self.init(
      key: row.digest(0), parent: row.digest(1), source: row.value(2),
      inputs: decode([String: String].self, row.value(3)),
      layer: (row.optional(4) as String?).map { try decode(LayerRecord.self, $0) },
      milliseconds: row.value(5), createdAt: row.value(6))
    usedAt = try row.value(7)
  }

  fileprivate func arguments() throws -> StatementArguments {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    func encode(_ value: some Encodable) throws -> String {
      String(decoding: try encoder.encode(value), as: UTF8.self)
    }
    return [
      key.description, parent.description, source, try encode(inputs), try layer.map { try encode($0) },
      milliseconds, createdAt, usedAt, layer?.descriptor.digest.description,
      layer?.key.description,
    ]
  }
}
