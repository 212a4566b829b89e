package import EngineErrors
internal import GRDB

extension MetadataStore {
  /// Adds a network.
  ///
  /// - Parameter complete: gets the record and all networks there are, and fills in the ranges that no other has; what it
  ///   throws calls the transaction off.
  /// - Returns: the record as it was added.
  /// - Throws: `alreadyExists` when its name is taken.
  package func insertNetwork(
    _ network: NetworkRecord,
    completing complete: @escaping @Sendable (inout NetworkRecord, [NetworkRecord]) throws -> Void,
    events: @escaping @Sendable (NetworkRecord) -> [JournalEvent]
  ) async throws(EngineError) -> NetworkRecord {
    try await write("create the network \(network.name)", subject: network.name, .process) { database in
      guard try Self.network("name = ?", network.name, in: database) == nil else {
        throw EngineError(
          .alreadyExists, "there is a network \(network.name) already", subject: network.name,
          hint: "give another name, or remove that network")
      }
      var network = network
      try complete(&network, Self.networks(in: database))
      try database.execute(
        sql: "INSERT INTO networks (\(NetworkRecord.columns)) VALUES (\(NetworkRecord.placeholders))",
        arguments: network.arguments)
      return network
    } eventsFor: {
      events($0)
    }
  }

  /// All networks, by name.
  package func networks() throws(EngineError) -> [NetworkRecord] {
    try read("list the networks") { try Self.networks(in: $0) }
  }

  /// Those to which nothing is connected, by name.
  package func unusedNetworks() throws(EngineError) -> [NetworkRecord] {
    try read("list the networks") { database in
      try Row.fetchAll(
        database,
        sql: """
          SELECT \(NetworkRecord.columns) FROM networks WHERE id NOT IN (SELECT network FROM endpoints)
            AND id NOT IN (SELECT network FROM buildEndpoints) ORDER BY name
          """
      ).map { try NetworkRecord($0) }
    }
  }

  package func network(id: String) throws(EngineError) -> NetworkRecord? {
    try read("look up the network \(id)", subject: id) { try Self.network("id = ?", id, in: $0) }
  }

  package func network(named name: String) throws(EngineError) -> NetworkRecord? {
    try read("look up the network \(name)", subject: name) { try Self.network("name = ?", name, in: $0) }
  }

  /// The network that `text` means: an id, a name, or the beginning of one id only, in this order.
  ///
  /// - Throws: `notFound`, or `invalidArgument` when ids of several networks begin so.
  package func network(matching text: String) throws(EngineError) -> NetworkRecord {
    try read("look up the network \(text)", subject: text) { database in
      for column in ["id", "name"] {
        if let network = try Self.network("\(column) = ?", text, in: database) { return network }
      }
      let isHex = text.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
      let ids =
        text.isEmpty || !isHex
        ? []
        : try String.fetchAll(
          database, sql: "SELECT id FROM networks WHERE id GLOB ? ORDER BY id LIMIT 3",
          arguments: [text + "*"])
      guard let id = ids.first, let network = try Self.network("id = ?", id, in: database) else {
        let names = try String.fetchAll(database, sql: "SELECT name FROM networks")
        throw EngineError(
          .notFound, "no such network: \(text.prefix(200))", subject: text,
          hint: NearMiss.hint(text, in: names) ?? "network list shows those that are there")
      }
      guard ids.count == 1 else {
        throw EngineError(
          .invalidArgument, "several networks' ids begin with \(text)", subject: text, causes: ids,
          hint: "give more of the id")
      }
      return network
    }
  }

  /// Removes a network to which nothing is connected.
  ///
  /// - Returns: false when it is gone.
  /// - Throws: `inUse` when containers are connected.
  package func removeNetwork(
    _ network: NetworkRecord, events: [JournalEvent]
  ) async throws(EngineError) -> Bool {
    try await write("remove the network \(network.name)", subject: network.id, .process) { database in
      do {
        try database.execute(sql: "DELETE FROM networks WHERE id = ?", arguments: [network.id])
      } catch let error as DatabaseError where error.resultCode == .SQLITE_CONSTRAINT {
        throw EngineError(
          .inUse, "network \(network.name) has containers", subject: network.id,
          causes: try String.fetchAll(
            database,
            sql: """
              SELECT name FROM containers JOIN endpoints ON container = id WHERE network = ?1
              UNION ALL SELECT 'a build' FROM buildEndpoints WHERE network = ?1 ORDER BY 1 LIMIT 10
              """, arguments: [network.id]),
          hint: "remove them, or disconnect them")
      }
      return database.changesCount == 1
    } eventsFor: {
      $0 ? events : []
    }
  }

  static func networks(in database: Database) throws -> [NetworkRecord] {
    try Row.fetchAll(database, sql: "SELECT \(NetworkRecord.columns) FROM networks ORDER BY name")
      .map { try NetworkRecord($0) }
  }

  static func network(_ filter: String, _ argument: String, in database: Database) throws -> NetworkRecord? {
    let statement = try database.cachedStatement(
      sql: "SELECT \(NetworkRecord.columns) FROM networks WHERE \(filter)")
    return try Row.fetchOne(statement, arguments: [argument]).map { try NetworkRecord($0) }
  }
}

extension NetworkRecord {
  static let columns = """
    id, name, bridge, subnet4, gateway4, subnet6, gateway6, mtu, isInternal, labels, createdAt, session, unusedSince
    """
  static let placeholders = Array(repeating: "?", count: 13).joined(separator: ",")

  init(_ row: Row) throws {
    try self.init(
      id: row.value(0), name: row.value(1), bridge: row.value(2), mtu: row.value(7), createdAt: row.value(10))
    subnet4 = try row.optional(3)
    gateway4 = try row.optional(4)
    subnet6 = try row.optional(5)
    gateway6 = try row.optional(6)
    isInternal = try row.value(8)
    labels = try row.value(9)
    session = try row.optional(11)
    unusedSince = try row.value(12)
  }

  /// The values of `columns`.
  var arguments: StatementArguments {
    [
      id, name, bridge, subnet4, gateway4, subnet6, gateway6, mtu, isInternal, labels, createdAt, session,
      unusedSince,
    ]
  }
}
