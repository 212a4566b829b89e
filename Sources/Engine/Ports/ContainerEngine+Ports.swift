import EngineErrors
import LinuxSystem
import Metadata
import OCIModel
package import Runner

/// Published ports of containers. A port is taken before anything starts; while the container runs its forwarder has it.
extension ContainerEngine {
  /// What a container is to have published: what was asked for, and what its image exposes where that was asked for.
  ///
  /// - Throws: `invalidArgument` for a container whose network is not its own.
  func ports(_ options: ContainerOptions, _ image: ImageConfig) throws -> [PortMapping]? {
    var ports = options.ports ?? []
    if options.publishesExposed ?? false {
      for text in (image.config?.exposedPorts ?? [:]).keys.sorted() {
        ports += PortMapping.exposed(text).filter { exposed in !ports.contains { $0.isMeant(by: exposed) } }
      }
    }
    guard !ports.isEmpty else { return nil }
    if ports.count > PortMapping.most { throw PortMapping.tooMany }
    try requireNetworks(options)
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
    let reserved = try ports.map { try $0.reserve() }
    options.ports = zip(ports, reserved).map { mapping, reserved in
      var mapping = mapping
      mapping.taken = reserved.port.hostPort
      return mapping
    }
    return reserved
  }

  /// Publishes ports of a container: of a running one at once, and with each start from then on.
  ///
  /// - Returns: where they are; nothing for a container that does not run.
  /// - Throws: as `reservePorts`; nothing is published then.
  package func publish(_ name: String, _ added: [PortMapping]) async throws -> [ForwardedPort] {
    try await changing(name) { record, options in
      try requireNetworks(options)
      let known = options.ports ?? []
      if known.count + added.count > PortMapping.most { throw PortMapping.tooMany }
      var addition = options
      addition.ports = added
      guard ContainerState.live.contains(record.state) else {
        options.ports = known + added
        return ([], .containerPublished(record.id, name: record.name, added))
      }
      let reserved = try reservePorts(&addition)
      // One that was killed had these, and they are as free as the others.
      let lost = runner.hasForwarder(record.id) ? [] : try known.map { try lostPort($0).reserve() }
      try await runner.publish(lost + reserved, of: record.id)
      options.ports = known + (addition.ports ?? [])
      return (reserved.map(\.port), .containerPublished(record.id, name: record.name, addition.ports ?? []))
    }
  }

  private func lostPort(_ mapping: PortMapping) -> PortMapping {
    var mapping = mapping
    mapping.hostPorts = mapping.taken.map { $0...$0 }
    return mapping
  }

  /// Takes published ports back. One that leaves out the host's side means all that lead to the container's.
  ///
  /// - Throws: `notFound` for one that is not published; nothing has changed then.
  package func unpublish(_ name: String, _ removed: [PortMapping]) async throws {
    _ = try await changing(name) { record, options in
      let known = options.ports ?? []
      for wanted in removed where !known.contains(where: { $0.isMeant(by: wanted) }) {
        throw EngineError(
          .notFound, "container \(record.name) has no published port \(wanted)", subject: record.id)
      }
      let going = known.filter { port in removed.contains { port.isMeant(by: $0) } }
      options.ports = known.filter { !going.contains($0) }
      if ContainerState.live.contains(record.state) {
        try await runner.unpublish(going.compactMap(\.published), of: record.id)
      }
      return ([], .containerUnpublished(record.id, name: record.name, going))
    }
  }

  /// Changes the options of a container under its lock, with the event that tells of it.
  private func changing(
    _ name: String,
    _ change: (ContainerRecord, inout ContainerOptions) async throws -> ([ForwardedPort], JournalEvent)
  ) async throws -> [ForwardedPort] {
    let found = try metadata.container(matching: name)
    let lock = try await locks.holdContainer(found.id)
    defer { lock.release() }
    guard let stored = try metadata.container(id: found.id) else { throw removedMeanwhile(found) }
    let record = try await settle(stored)
    var options = try options(record)
    let (ports, event) = try await change(record, &options)
    let text = String(decoding: try encode(options), as: UTF8.self)
    // Also in a task that is cancelled now: it has been done.
    _ = try await Task { try await metadata.updateContainer(record.id, options: text, events: [event]) }.value
    return ports
  }
}
