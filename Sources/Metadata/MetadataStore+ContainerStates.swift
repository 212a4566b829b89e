package import EngineErrors
internal import GRDB

/// What becomes of a container: each a compare-and-set on its state, with its events in the same transaction.
///
/// All answer false when the container is gone or in none of the states `from`: someone else was first.
extension MetadataStore {
  /// Records a start by a request, and forgets how the container ended before.
  package func markRunning(
    _ id: String, from: Set<ContainerState> = [.created, .exited], pid: Int32, at time: Int64,
    events: [JournalEvent] = [], evenIfCancelled: Bool = false
  ) async throws(EngineError) -> Bool {
    try await change(
      "record the start of the container \(id)", id, from: from, events, evenIfCancelled: evenIfCancelled
    ) { database, filter in
      let statement = try database.cachedStatement(
        sql: """
          UPDATE containers SET state = 'running', pid = ?, startedAt = ?, finishedAt = NULL, exitCode = NULL,
            signal = NULL, isLost = 0, restartCount = 0, livesRead = 0, isStopped = 0,
            health = iif(health IS NULL, NULL, 'starting'), outOfMemoryKills = 0
          WHERE \(filter)
          """)
      try statement.execute(arguments: [pid, time, id])
    }
  }

  /// Records that a container's shim has started it again.
  ///
  /// - Parameter livesRead: how much of what the shim wrote is then in the journal, in bytes.
  package func markRestarted(
    _ id: String, pid: Int32, at time: Int64, restartCount: Int64, livesRead: Int64,
    events: [JournalEvent] = []
  ) async throws(EngineError) -> Bool {
    try await change("record the restart of the container \(id)", id, from: [.restarting], events) {
      database, filter in
      let statement = try database.cachedStatement(
        sql: """
          UPDATE containers SET state = 'running', pid = ?, startedAt = ?, finishedAt = NULL, exitCode = NULL,
            signal = NULL, isLost = 0, restartCount = ?, livesRead = ?,
            health = iif(health IS NULL, NULL, 'starting')
          WHERE \(filter)
          """)
      try statement.execute(arguments: [pid, time, restartCount, livesRead, id])
    }
  }

  /// Records the end of a container's first process, to which its shim will give a successor.
  package func markRestarting(
    _ id: String, exit: ContainerExit, at time: Int64, livesRead: Int64, events: [JournalEvent] = []
  ) async throws(EngineError) -> Bool {
    let arguments: StatementArguments = [time, exit.code, exit.signal, livesRead, id]
    return try await change(
      "record the end of the container \(id)", id, from: ContainerState.live, events
    ) { database, filter in
      let statement = try database.cachedStatement(
        sql: """
          UPDATE containers SET state = 'restarting', pid = NULL, finishedAt = ?, exitCode = ?, signal = ?,
            isLost = 0, livesRead = ?
          WHERE \(filter)
          """)
      try statement.execute(arguments: arguments)
    }
  }

  /// Records an end.
  ///
  /// - Parameter isLost: nobody saw it, and `exit` and `time` are a guess.
  package func markExited(
    _ id: String, from: Set<ContainerState> = ContainerState.live, exit: ContainerExit, at time: Int64,
    isLost: Bool = false, events: [JournalEvent] = []
  ) async throws(EngineError) -> Bool {
    let arguments: StatementArguments = [time, exit.code, exit.signal, isLost, id]
    return try await change("record the end of the container \(id)", id, from: from, events) {
      database, filter in
      let statement = try database.cachedStatement(
        sql: """
          UPDATE containers SET state = 'exited', pid = NULL, finishedAt = ?, exitCode = ?, signal = ?, isLost = ?
          WHERE \(filter)
          """)
      try statement.execute(arguments: arguments)
    }
  }

  /// Records that a container's processes are held, or go on.
  package func mark(_ id: String, paused: Bool, events: [JournalEvent] = []) async throws(EngineError) -> Bool
  {
    try await change(
      "record that the container \(id) is \(paused ? "paused" : "unpaused")", id,
      from: [paused ? .running : .paused], events
    ) { database, filter in
      try database.cachedStatement(sql: "UPDATE containers SET state = ? WHERE \(filter)")
        .execute(arguments: [(paused ? ContainerState.paused : .running).rawValue, id])
    }
  }

  /// Records that somebody stops a container, so that its restart policy rests.
  package func markStopped(_ id: String) async throws(EngineError) -> Bool {
    try await change(
      "record that the container \(id) is stopped", id, from: Set(ContainerState.allCases), []
    ) { database, filter in
      try database.cachedStatement(sql: "UPDATE containers SET isStopped = 1 WHERE \(filter)")
        .execute(arguments: [id])
    }
  }

  /// Records how well a running container is.
  package func mark(
    _ id: String, health: ContainerHealth, events: [JournalEvent] = []
  ) async throws(EngineError) -> Bool {
    try await change(
      "record the health of the container \(id)", id, from: [.running, .paused], events
    ) { database, filter in
      try database.cachedStatement(sql: "UPDATE containers SET health = ? WHERE \(filter)")
        .execute(arguments: [health.rawValue, id])
    }
  }

  /// Records processes that were killed for want of memory.
  ///
  /// - Returns: false also when the journal has them already.
  package func mark(
    _ id: String, outOfMemoryKills kills: Int64, events: [JournalEvent] = []
  ) async throws(EngineError) -> Bool {
    try await change(
      "record that the container \(id) was out of memory", id, from: Set(ContainerState.allCases), events
    ) { database, filter in
      try database.cachedStatement(
        sql: "UPDATE containers SET outOfMemoryKills = ?1 WHERE outOfMemoryKills < ?1 AND id = ?2"
      ).execute(arguments: [kills, id])
    }
  }

  /// Gives a container another name.
  ///
  /// - Throws: `alreadyExists` when another has it.
  package func renameContainer(
    _ id: String, to name: String, events: [JournalEvent] = []
  ) async throws(EngineError) -> Bool {
    try await change(
      "rename the container \(id)", id, from: Set(ContainerState.allCases), events
    ) { database, filter in
      do {
        try database.cachedStatement(sql: "UPDATE containers SET name = ? WHERE \(filter)")
          .execute(arguments: [name, id])
      } catch let error as DatabaseError where error.extendedResultCode == .SQLITE_CONSTRAINT_UNIQUE {
        throw EngineError(
          .alreadyExists, "there is a container \(name) already", subject: name,
          hint: "give another name, or remove that container")
      }
    }
  }

  /// Replaces what a container was made from, as far as it may be changed afterwards.
  package func updateContainer(
    _ id: String, options: String, events: [JournalEvent] = []
  ) async throws(EngineError) -> Bool {
    try await change(
      "update the container \(id)", id, from: Set(ContainerState.allCases), events
    ) { database, filter in
      try database.cachedStatement(sql: "UPDATE containers SET options = ? WHERE \(filter)")
        .execute(arguments: [options, id])
    }
  }
}

extension ContainerExit {
  var code: Int32? { if case .exited(let code) = self { code } else { nil } }
  var signal: Int32? { if case .signalled(let signal) = self { signal } else { nil } }
}
