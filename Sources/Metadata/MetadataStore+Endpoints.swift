package import EngineErrors
internal import GRDB

/// Which containers are in which networks, under which addresses.
extension MetadataStore {
  /// All connections, or those of a network or of a container, in the order of their numbers.
  package func endpoints(
    network: String? = nil, container: String? = nil
  ) throws(EngineError) -> [EndpointRecord] {
    try read("look up who is connected to networks", subject: network ?? container) { database in
      // Only with the terms that count an index serves.
      let terms = [network.map { _ in "network = ?" }, container.map { _ in "container = ?" }]
        .compactMap(\.self)
      let statement = try database.cachedStatement(
        sql: """
          SELECT \(EndpointRecord.columns) FROM endpoints
          \(terms.isEmpty ? "" : "WHERE " + terms.joined(separator: " AND ")) ORDER BY container, number
          """)
      let arguments = StatementArguments([network, container].compactMap(\.self))
      return try Row.fetchAll(statement, arguments: arguments).map { try EndpointRecord($0) }
    }
  }

  /// Who is connected to a network, by the time of the container.
  package func members(ofNetwork network: String) throws(EngineError) -> [NetworkMember] {
    try read("look up who is connected to a network", subject: network) { database in
      let statement = try database.cachedStatement(
        sql: """
          SELECT \(EndpointRecord.columns), name FROM endpoints JOIN containers ON container = id
          WHERE network = ? ORDER BY createdAt, id
          """)
      return try Row.fetchAll(statement, arguments: [network]).map {
        NetworkMember(endpoint: try EndpointRecord($0), name: try $0.value(6))
      }
    }
  }

  /// The ids of the containers that are connected to any of these networks and whose shims live.
  package func liveMembers(ofNetworks networks: [String]) throws(EngineError) -> [String] {
    try read("look up who is connected to networks") { database in
      let statement = try database.cachedStatement(
        sql: """
          SELECT id FROM containers JOIN endpoints ON container = id
          WHERE network = ? AND state IN (\(Self.list(ContainerState.live)))
          """)
      var found: Set<String> = []
      for network in networks { try found.formUnion(String.fetchAll(statement, arguments: [network])) }
      return found.sorted()
    }
  }

  /// Connects a container to a network.
  ///
  /// - Throws: `alreadyExists` when it is connected, `notFound` when either is gone, and what `choose` throws.
  package func connect(
    container: String, _ request: EndpointRequest, choosing choose: @escaping AddressChoice,
    events: [JournalEvent]
  ) async throws(EngineError) -> EndpointRecord {
    try await write("connect the container to a network", subject: request.network, .process) { database in
      try Self.connect(container, request, choose, in: database)
    } events: {
      events
    }
  }

  /// Takes a container off a network and gives its addresses back.
  ///
  /// - Returns: false when it was not connected.
  package func disconnect(
    container: String, network: String, events: [JournalEvent]
  ) async throws(EngineError) -> Bool {
    try await write("disconnect the container from a network", subject: network, .process) { database in
      try database.execute(
        sql: "DELETE FROM endpoints WHERE container = ? AND network = ?", arguments: [container, network])
      return database.changesCount == 1
    } eventsFor: {
      $0 ? events : []
    }
  }

  static func connect(
    _ container: String, _ request: EndpointRequest, _ choose: AddressChoice, in database: Database
  ) throws -> EndpointRecord {
    guard let network = try network("id = ?", request.network, in: database) else {
      throw EngineError(.notFound, "the network has been removed", subject: request.network)
    }
    let lease = try lease(in: network, request, choose, database)
    // The first that is free, since eth0 can have gone.
    let number = try Int64.fetchAll(
      database, sql: "SELECT number FROM endpoints WHERE container = ? ORDER BY number",
      arguments: [container]
    ).reduce(0) { $1 == $0 ? $0 + 1 : $0 }
    let endpoint = EndpointRecord(
      network: network.id, container: container, number: number, address4: lease.address4,
      address6: lease.address6, aliases: request.aliases)
    do {
      try database.execute(
        sql: "INSERT INTO endpoints (\(EndpointRecord.columns)) VALUES (?, ?, ?, ?, ?, ?)",
        arguments: endpoint.arguments)
    } catch let error as DatabaseError where error.extendedResultCode == .SQLITE_CONSTRAINT_PRIMARYKEY {
      throw EngineError(
        .alreadyExists, "the container is connected to network \(network.name) already",
        subject: network.name,
        hint: "for other addresses or aliases, disconnect it first"
      )
    }
    return endpoint
  }

  /// Addresses that neither a container nor a build has.
  static func lease(
    in network: NetworkRecord, _ request: EndpointRequest, _ choose: AddressChoice, _ database: Database
  ) throws -> AddressLease {
    let last = try Int64.fetchOne(
      database, sql: "SELECT lastNumber FROM networks WHERE id = ?", arguments: [network.id])
    let taken = try database.cachedStatement(
      sql: """
        SELECT EXISTS (SELECT 1 FROM endpoints WHERE network = ?1 AND (address4 = ?2 OR address6 = ?2))
          OR EXISTS (SELECT 1 FROM buildEndpoints WHERE network = ?1 AND (address4 = ?2 OR address6 = ?2))
        """)
    let lease = try choose(network, request, last ?? 0) {
      try Int.fetchOne(taken, arguments: [network.id, $0]) != 0
    }
    try database.execute(
      sql: "UPDATE networks SET lastNumber = ? WHERE id = ?", arguments: [lease.last, network.id])
    return lease
  }
}

extension EndpointRecord {
  static let columns = "network, container, number, address4, address6, aliases"

  init(_ row: Row) throws {
    try self.init(
      network: row.value(0), container: row.value(1), number: row.value(2), address4: row.optional(3),
      address6: row.optional(4),
      aliases: (row.value(5) as String).split(separator: "\n").map(String.init))
  }

  /// The values of `columns`.
  var arguments: StatementArguments {
    [network, container, number, address4, address6, aliases.joined(separator: "\n")]
  }
}
