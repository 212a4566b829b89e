import EngineErrors
import LinuxSystem
import Metadata
import OCIModel
package import Runner

/// Published ports of containers. A port is taken before anything starts; while the container runs its forwarder has it.
extension ContainerEngine {
  /// What a container is to have published: what was asked for, and what its image exposes where that was asked for.
  ///
  /// - Throws: `invalidArgument` for a container whose network is not its own, and for a port of the host's that is there twice.
  func ports(_ options: ContainerOptions, _ image: ImageConfig) throws -> [PortMapping]? {
    var ports = options.ports ?? []
    if options.publishesExposed ?? false {
      for text in (image.config?.exposedPorts ?? [:]).keys.sorted() {
        ports += try PortMapping.exposed(text).filter { exposed in !ports.contains { $0.isMeant(by: exposed) }
        }
      }
    }
    guard !ports.isEmpty else { return nil }
    if ports.count > PortMapping.most { throw PortMapping.tooMany }
    try requireNetworks(options)
    try PortMapping.requireDistinct(ports)
    return ports
  }

  private func requireNetworks(_ options: ContainerOptions) throws {
    if options.network == .bridge { return }
    throw EngineError(
      .invalidArgument,
      "a container with the network \(options.network.rawValue) can have no published ports",
      subject: "ports",
      hint: options.network == .host
        ? "its ports are the machine's own already" : "give it the network bridge")
  }

  /// Takes the host's ports, all or none, and writes down which they are.
  ///
  /// - Throws: `conflict` for one that is taken, and others, as `ReservedPort`.
  func reservePorts(_ options: inout ContainerOptions) throws -> [ReservedPort] {
    guard let ports = options.ports, !ports.isEmpty else { return [] }
    var found: [Int: ReservedPort] = [:]
    for index in PortMapping.order(ports) { found[index] = try ports[index].reserve() }
    let reserved = ports.indices.compactMap { found[$0] }
    options.ports = zip(ports, reserved).map { mapping, reserved in
      var mapping = mapping
      mapping.taken = reserved.port.hostPort
      return mapping
    }
    Failpoint.portsReserved.pass()
    return reserved
  }

  /// Publishes ports of a container: of a running one at once, and with each start from then on.
  ///
  /// The row knows them first: what a death of this service leaves undone, `restorePorts` does.
  ///
  /// - Returns: where they are; nothing for a container that does not run.
  /// - Throws: as `reservePorts`, and `invalidArgument` for a port of the host's that leads to the container already; nothing is
  ///   published then.
  package func publish(_ name: String, _ added: [PortMapping]) async throws -> [ForwardedPort] {
    let (record, lock) = try await heldContainer(name)
    defer { lock.release() }
    let former = try options(record)
    try requireNetworks(former)
    try PortMapping.requireDistinct((former.ports ?? []) + added)
    var options = former
    options.ports = added
    let isLive = ContainerState.live.contains(record.state)
    let reserved = isLive ? try reservePorts(&options) : []
    let published = options.ports ?? []
    options.ports = (former.ports ?? []) + published
    if options.ports?.count ?? 0 > PortMapping.most { throw PortMapping.tooMany }
    try await write(options, of: record, .containerPublished(record.id, name: record.name, published))
    Failpoint.portsRecorded.pass()
    do {
      if isLive { try await runner.publish(lostPorts(former) + reserved, of: record.id) }
    } catch {
      try? await write(former, of: record, .containerUnpublished(record.id, name: record.name, published))
      throw error
    }
    Failpoint.portsPublished.pass()
    return reserved.map(\.port)
  }

  /// Those of a running container's ports that its forwarder should have and has not, since it was killed, or since a service
  /// died that was about to publish them: nobody has them.
  private func lostPorts(_ options: ContainerOptions) -> [ReservedPort] {
    (options.ports ?? []).compactMap { mapping in
      guard let taken = mapping.taken else { return nil }
      var mapping = mapping
      mapping.hostPorts = taken...taken
      // A port that is taken is the forwarder's, or another program's by now.
      return try? mapping.reserve()
    }
  }

  func hasPorts(_ record: ContainerRecord) throws -> Bool { try options(record).ports?.isEmpty == false }

  /// Sees to it that the ports of a container that runs are published. The caller holds its lock.
  func restorePorts(of record: ContainerRecord) async throws {
    let options = try options(record)
    guard let ports = options.ports?.compactMap(\.published), !ports.isEmpty else { return }
    let hadForwarder = runner.hasForwarder(record.id)
    do {
      let lost = lostPorts(options)
      try await runner.publish(lost, of: record.id)
      if hadForwarder || lost.count == ports.count { return }
      let others = ports.filter { port in !lost.contains { $0.port == port } }
        .map { "\($0.hostPort)/\($0.transport.rawValue)" }.joined(separator: ", ")
      log.warning("published ports of container \(record.name) are others' by now: \(others)")
    } catch  where error.kind == .conflict {
      // It has just ended.
    } catch {
      log.warning("cannot publish the ports of container \(record.name) again: \(error)")
    }
  }

  /// Takes published ports back. One that leaves out the host's side means all that lead to the container's.
  ///
  /// - Throws: `notFound` for one that is not published; nothing has changed then.
  package func unpublish(_ name: String, _ removed: [PortMapping]) async throws {
    let (record, lock) = try await heldContainer(name)
    defer { lock.release() }
    var options = try options(record)
    let known = options.ports ?? []
    for wanted in removed where !known.contains(where: { $0.isMeant(by: wanted) }) {
      throw EngineError(
        .notFound, "container \(record.name) has no published port \(wanted)", subject: record.id,
        hint: known.isEmpty
          ? "it has none" : "it has \(known.map(\.description).joined(separator: ", "))")
    }
    let going = known.filter { port in removed.contains { port.isMeant(by: $0) } }
    options.ports = known.filter { !going.contains($0) }
    if ContainerState.live.contains(record.state) {
      try await withdraw(going.compactMap(\.published), from: record.id)
      Failpoint.portsWithdrawn.pass()
    }
    try await write(options, of: record, .containerUnpublished(record.id, name: record.name, going))
  }

  /// One that the forwarder has not was about to be published when a service died.
  private func withdraw(_ ports: [ForwardedPort], from id: String) async throws {
    for port in ports {
      do {
        try await runner.unpublish([port], of: id)
      } catch {
        guard error.kind == .notFound else { throw error }
      }
    }
  }

  /// Also in a task that is cancelled now: it is done, or about to be.
  private func write(_ options: ContainerOptions, of record: ContainerRecord, _ event: JournalEvent)
    async throws
  {
    let text = String(decoding: try encode(options), as: UTF8.self)
    _ = try await Task { try await metadata.updateContainer(record.id, options: text, events: [event]) }.value
  }
}
