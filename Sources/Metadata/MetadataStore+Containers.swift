package import EngineErrors
internal import GRDB
internal import OCIModel

extension MetadataStore {
  /// Adds a container, and connects it to networks.
  ///
  /// - Parameter volumes: those that it uses, which cannot be removed from then on.
  /// - Throws: `alreadyExists` when its name or id is taken, `notFound` when its image or a network is not there (any
  ///   more), `conflict` when a volume is not, and what `choose` throws.
  package func insertContainer(
    _ container: ContainerRecord, volumes: Set<String> = [], connecting requests: [EndpointRequest] = [],
    choosing choose: AddressChoice? = nil, events: [JournalEvent] = []
  ) async throws(EngineError) {
    try await write("create the container \(container.name)", subject: container.name, .process) { database in
      do {
        let statement = try database.cachedStatement(
          sql: "INSERT INTO containers (\(ContainerRecord.columns)) VALUES (\(ContainerRecord.placeholders))")
        try statement.execute(arguments: container.arguments)
      } catch let error as DatabaseError where error.extendedResultCode == .SQLITE_CONSTRAINT_FOREIGNKEY {
        throw EngineError(
          .notFound, "no such image: \(container.imageName)", subject: container.imageDigest.description)
      } catch let error as DatabaseError where error.resultCode == .SQLITE_CONSTRAINT {
        let isName = error.extendedResultCode == .SQLITE_CONSTRAINT_UNIQUE
        throw EngineError(
          .alreadyExists, "there is a container \(isName ? container.name : container.id) already",
          subject: isName ? container.name : container.id,
          hint: isName ? "give another name, or remove that container" : nil)
      }
      try Self.insertUses(volumes, of: container.id, in: database)
      guard let choose else { return }
      for request in requests { _ = try Self.connect(container.id, request, choose, in: database) }
    } events: {
      events
    }
  }

  package func container(id: String) throws(EngineError) -> ContainerRecord? {
    try read("look up the container \(id)", subject: id) { try Self.container("id = ?", id, in: $0) }
  }

  package func isContainer(named name: String) throws(EngineError) -> Bool {
    try read("look up the container \(name)", subject: name) { database in
      let statement = try database.cachedStatement(sql: "SELECT count(*) FROM containers WHERE name = ?")
      return try Int.fetchOne(statement, arguments: [name]) != 0
    }
  }

  /// The container that `text` means: an id, a name, or the beginning of one id only, in this order.
  ///
  /// - Throws: `notFound`, or `invalidArgument` when ids of several containers begin so.
  package func container(matching text: String) throws(EngineError) -> ContainerRecord {
    try read("look up the container \(text)", subject: text) { database in
      for column in ["id", "name"] {
        if let container = try Self.container("\(column) = ?", text, in: database) { return container }
      }
      let isHex = text.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
      let ids =
        text.isEmpty || !isHex
        ? []
        : try String.fetchAll(
          database, sql: "SELECT id FROM containers WHERE id GLOB ? ORDER BY id LIMIT 3",
          arguments: [text + "*"])
      guard let id = ids.first, let container = try Self.container("id = ?", id, in: database) else {
        let names = try String.fetchAll(database, sql: "SELECT name FROM containers")
        throw EngineError(
          .notFound, "no such container: \(text.prefix(200))", subject: text,
          hint: NearMiss.hint(text, in: names)
            ?? "container/list (ps at the REPL) shows those that run, and with all (ps -a) also ended ones")
      }
      guard ids.count == 1 else {
        throw EngineError(
          .invalidArgument, "several containers' ids begin with \(text)", subject: text, causes: ids,
          hint: "give more of the id")
      }
      return container
    }
  }

  /// All containers, or those in some states, the newest first.
  package func containers(
    in states: Set<ContainerState> = Set(ContainerState.allCases)
  ) throws(EngineError) -> [ContainerRecord] {
    try read("list the containers") { database in
      try Row.fetchAll(
        database,
        sql: """
          SELECT \(ContainerRecord.columns) FROM containers WHERE state IN (\(Self.list(states)))
          ORDER BY createdAt DESC, id
          """
      ).map { try ContainerRecord($0) }
    }
  }

  /// Removes a container's row.
  ///
  /// - Returns: false when it is gone or in none of the states `from`: someone else was first.
  package func removeContainer(
    _ id: String, from: Set<ContainerState> = [.created, .exited], events: [JournalEvent] = []
  ) async throws(EngineError) -> Bool {
    try await change("remove the container \(id)", id, from: from, events) { database, filter in
      try database.cachedStatement(sql: "DELETE FROM containers WHERE \(filter)").execute(arguments: [id])
    }
  }

  /// The same, and with it the rows of its anonymous volumes that no other container uses.
  ///
  /// - Returns: the names of those volumes, whose directories are the caller's to remove; nil where the container stays.
  package func removeContainerWithVolumes(
    _ id: String, from: Set<ContainerState> = [.created, .exited],
    events: @escaping @Sendable (_ volumes: [String]) -> [JournalEvent]
  ) async throws(EngineError) -> [String]? {
    let filter = "id = ? AND state IN (\(Self.list(from)))"
    return try await write("remove the container \(id)", subject: id, .process) { database in
      let uses = try database.cachedStatement(
        sql: "SELECT volume FROM volumeUses WHERE container = ? ORDER BY volume")
      let volumes = try String.fetchAll(uses, arguments: [id])
      try database.cachedStatement(sql: "DELETE FROM containers WHERE \(filter)").execute(arguments: [id])
      guard database.changesCount == 1 else { return nil }
      return try Self.removeUnused(among: volumes, in: database)
    } eventsFor: {
      $0.map(events) ?? []
    }
  }

  /// Removes the rows of containers that are not whole, whatever their states. Blocks: for the time before the store is used.
  package func forgetContainers(_ ids: [String], events: [JournalEvent]) throws(EngineError) {
    if ids.isEmpty { return }
    try writeBlocking("remove containers that are not whole", events: events) { database in
      for id in ids { try database.execute(sql: "DELETE FROM containers WHERE id = ?", arguments: [id]) }
    }
  }

  /// Runs a compare-and-set: `body` gets the condition, whose last argument is the id. The events are journalled only by the one who changes it.
  func change(
    _ operation: String, _ id: String, from states: Set<ContainerState>, _ events: [JournalEvent],
    evenIfCancelled: Bool = false, _ body: @escaping @Sendable (Database, String) throws -> Void
  ) async throws(EngineError) -> Bool {
    let filter = "id = ? AND state IN (\(Self.list(states)))"
    return try await write(operation, subject: id, .process, evenIfCancelled: evenIfCancelled) { database in
      try body(database, filter)
      return database.changesCount == 1
    } eventsFor: { isChanged in
      isChanged ? events : []
    }
  }

  /// The states as SQL; they are this module's own words.
  static func list(_ states: Set<ContainerState>) -> String {
    states.map { "'\($0.rawValue)'" }.sorted().joined(separator: ", ")
  }

  private static func container(
    _ filter: String, _ argument: String, in database: Database
  ) throws -> ContainerRecord? {
    let statement = try database.cachedStatement(
      sql: "SELECT \(ContainerRecord.columns) FROM containers WHERE \(filter)")
    return try Row.fetchOne(statement, arguments: [argument]).map { try ContainerRecord($0) }
  }
}
