package import EngineErrors
internal import GRDB

/// What the RUNs of builds are connected to: as containers are, but without a container's row.
extension MetadataStore {
  /// Gives a build addresses in a network.
  ///
  /// - Parameters:
  ///   - id: of the connection.
  ///   - session: the build's; what it leaves goes with it.
  /// - Throws: `notFound` when the network is gone, and what `choose` throws.
  package func connect(
    build id: String, ofSession session: String, to network: String, choosing choose: @escaping AddressChoice
  ) async throws(EngineError) -> EndpointRecord {
    try await write("connect a build to a network", subject: network, .process) { database in
      guard let record = try Self.network("id = ?", network, in: database) else {
        throw EngineError(.notFound, "the network has been removed", subject: network)
      }
      let lease = try Self.lease(in: record, EndpointRequest(network: network), choose, database)
      try database.execute(
        sql: "INSERT INTO buildEndpoints (id, network, session, address4, address6) VALUES (?, ?, ?, ?, ?)",
        arguments: [id, network, session, lease.address4, lease.address6])
      return EndpointRecord(
        network: network, container: id, number: 0, address4: lease.address4, address6: lease.address6,
        aliases: [])
    }
  }

  /// Gives addresses back.
  package func disconnectBuilds(_ ids: [String]) async throws(EngineError) {
    try await write("disconnect a build from a network", .process) { database in
      for id in ids { try database.execute(sql: "DELETE FROM buildEndpoints WHERE id = ?", arguments: [id]) }
    }
  }

  /// All of them, each with its session.
  package func buildEndpoints() throws(EngineError) -> [(endpoint: EndpointRecord, session: String)] {
    try read("look up the networks of builds") { database in
      try Row.fetchAll(
        database, sql: "SELECT network, id, session, address4, address6 FROM buildEndpoints ORDER BY id"
      ).map { row in
        let endpoint = try EndpointRecord(
          network: row.value(0), container: row.value(1), number: 0, address4: row.optional(3),
          address6: row.optional(4), aliases: [])
        return (endpoint, try row.value(2))
      }
    }
  }
}
