import EngineErrors
import LinuxSystem
import Metadata
import Networking
import Runner
import SystemPackage

/// Containers' connections to networks.
extension ContainerEngine {
  /// What a container that is being made is to be connected to.
  ///
  /// - Throws: `notFound` for a network, `invalidArgument` for what does not fit.
  func requests(_ options: ContainerOptions) async throws -> [(network: NetworkRecord, EndpointRequest)] {
    try NameFiles.validate(options)
    guard options.network == .bridge else {
      if options.networks?.isEmpty == false {
        throw EngineError(
          .invalidArgument, "networks are named, and the container's network is \(options.network.rawValue)",
          subject: "networks", hint: "leave out the networks, or the network")
      }
      return []
    }
    _ = try await hostNetwork()
    var requests: [(network: NetworkRecord, EndpointRequest)] = []
    let named = options.networks ?? []
    for attachment in named.isEmpty ? [NetworkAttachment(network: Self.defaultNetwork)] : named {
      let network = try await network(for: attachment.network)
      if requests.contains(where: { $0.network.id == network.id }) {
        throw EngineError(
          .invalidArgument, "network \(network.name) is named twice", subject: network.name,
          hint: "name each network once; aliases are for further names")
      }
      requests.append((network, try request(attachment, network)))
    }
    return requests
  }

  private func request(_ attachment: NetworkAttachment, _ network: NetworkRecord) throws -> EndpointRequest {
    for alias in attachment.aliases { try NetworkNames.validate(alias: alias) }
    func address(_ text: String?, _ family: IPAddress.Family) throws -> String? {
      guard let text else { return nil }
      let address = try IPAddress(parsing: text)
      guard address.family == family else {
        throw EngineError(
          .invalidArgument, "not an address of IPv\(family == .v4 ? 4 : 6): \(text)", subject: text,
          hint: "give one such as \(family == .v4 ? "192.0.2.7" : "2001:db8::7")")
      }
      return address.description
    }
    return EndpointRequest(
      network: network.id, address4: try address(attachment.ipv4, .v4),
      address6: try address(attachment.ipv6, .v6),
      aliases: attachment.aliases)
  }

  /// Gives addresses in the transaction that takes them.
  static let addressChoice: AddressChoice = { network, request, last, isTaken in
    let fixed = try [request.address4, request.address6].compactMap {
      try $0.map { try IPAddress(parsing: $0) }
    }
    let lease = try AddressPool.lease(
      network.plan().ranges, fixed: fixed, after: UInt64(clamping: last)
    ) { try isTaken($0.description) }
    return AddressLease(
      address4: lease.addresses.first { $0.family == .v4 }?.description,
      address6: lease.addresses.first { $0.family == .v6 }?.description, last: Int64(clamping: lease.last))
  }

  /// Connects a container to a network, at once when it runs.
  ///
  /// - Throws: `alreadyExists` when it is connected; `conflict` for a container that has no networks of its own, or is between
  ///   two runs.
  package func connect(_ name: String, with attachment: NetworkAttachment) async throws -> EndpointSummary {
    let network = try await network(for: attachment.network)
    let request = try request(attachment, network)
    let (record, lock) = try await heldContainer(name)
    defer { lock.release() }
    let options = try options(record)
    // The namespace of one without networks ends with each run, and is not kept for the next.
    guard options.network == .bridge else {
      throw EngineError(
        .conflict, "container \(record.name) was made with the network \(options.network.rawValue)",
        subject: record.id, hint: "make it with the network bridge, or with any of its own")
    }
    let namespace = try liveNetwork(of: record)
    let endpoint = try await metadata.connect(
      container: record.id, request, choosing: Self.addressChoice,
      events: [.networkConnected(network.id, name: network.name, container: record)])
    Failpoint.endpointRecorded.pass()
    do {
      if let namespace { try await attach(record, to: namespace, only: endpoint) }
    } catch {
      // Also in a task that is cancelled.
      await Task {
        _ = try? await metadata.disconnect(
          container: record.id, network: network.id,
          events: [.networkDisconnected(network.id, name: network.name, container: record)])
        // It may be that of the new link already.
        if let namespace { try? await setWayOut(of: record.id, in: namespace) }
        _ = try? await hostNetwork().detach(NetworkNames.peer(endpoint, store: metadata.storeIdentity()))
      }.value
      throw error
    }
    await tellNames(of: [network.id], and: record.id)
    return endpoint.summary(of: network, containerName: record.name)
  }

  /// Takes a container off a network, at once when it runs.
  ///
  /// - Throws: `notFound` when it is not connected.
  package func disconnect(_ name: String, from networkName: String) async throws {
    let network = try metadata.network(matching: networkName)
    let (record, lock) = try await heldContainer(name)
    defer { lock.release() }
    let namespace = try liveNetwork(of: record)
    guard
      let endpoint = try metadata.endpoints(container: record.id).first(where: { $0.network == network.id }),
      try await metadata.disconnect(
        container: record.id, network: network.id,
        events: [.networkDisconnected(network.id, name: network.name, container: record)])
    else {
      throw EngineError(
        .notFound, "container \(record.name) is not connected to network \(network.name)", subject: record.id,
        hint: "see its networks with inspect")
    }
    Failpoint.endpointUnrecorded.pass()
    if let namespace {
      // The way first: a link without a row tells the next look that this came to no end.
      try await setWayOut(of: record.id, in: namespace)
      try await hostNetwork().detach(NetworkNames.peer(endpoint, store: metadata.storeIdentity()))
    }
    await tellNames(of: [network.id], and: record.id)
  }

  /// A container under its lock, as it is now.
  func heldContainer(_ name: String) async throws -> (ContainerRecord, FileLock) {
    let named = try await current(name)
    let lock = try await locks.holdContainer(named.id)
    do {
      guard let stored = try metadata.container(id: named.id) else { throw removedMeanwhile(named) }
      return (try await settle(stored), lock)
    } catch {
      lock.release()
      throw error
    }
  }

  /// The network namespace of a container that runs; nil for one that does not.
  ///
  /// - Throws: `conflict` between the end of a run and the next start by its policy, when only its shim has it.
  private func liveNetwork(of record: ContainerRecord) throws -> HeldNamespace? {
    switch record.state {
    case .created, .exited: return nil
    case .running, .paused: return try runner.namespace(.network, of: record.id)
    case .restarting:
      throw EngineError(
        .conflict, "container \(record.name) is about to start again", subject: record.id,
        hint: "try again when it runs, or stop it first", retriable: true)
    }
  }

  /// The routes to the outside are, of each family, those of the first network that has any.
  private func setWayOut(of container: String, in namespace: HeldNamespace) async throws {
    try await hostNetwork().route(by: links(of: container), in: namespace.descriptor)
  }

  /// All connections of a container, those with the way to the outside among them.
  func links(of container: String) throws -> [LinkPlan] {
    let store = try metadata.storeIdentity()
    var missing: Set<IPAddress.Family> = [.v4, .v6]
    return try metadata.endpoints(container: container).map { endpoint in
      guard let network = try metadata.network(id: endpoint.network) else {
        throw EngineError(.corrupt, "a network of the container is not there", subject: endpoint.network)
      }
      let link = endpoint.plan(in: try network.plan(), store: store, wayOutOf: missing)
      missing.subtract(link.gateways.map(\.family))
      return link
    }
  }

  func networks(of record: ContainerRecord) throws -> [EndpointSummary] {
    try metadata.endpoints(container: record.id).compactMap { endpoint in
      try metadata.network(id: endpoint.network).map { endpoint.summary(of: $0, containerName: record.name) }
    }
  }

  /// Connects a container that is about to start, and tells it and the others of its networks of their names, while its shim
  /// mounts.
  ///
  /// - Returns: what its hosts file has of others.
  func connect(_ record: ContainerRecord, _ namespace: HeldNamespace) async throws -> String {
    async let names = refreshNames(of: record.id, options(record))
    try await attach(record, to: namespace)
    return try await names
  }

  /// Connects the network namespace of a container to its networks.
  ///
  /// - Parameter only: one connection of them that was added; else all.
  func attach(
    _ record: ContainerRecord, to namespace: HeldNamespace, only added: EndpointRecord? = nil
  ) async throws {
    let links = try links(of: record.id)
    let host = try await hostNetwork()
    if let added {
      try await host.attach(
        links.filter { $0.interface == added.interface }, to: namespace.descriptor, routing: links)
    } else {
      try await host.attach(links, to: namespace.descriptor)
    }
    try await ensureFirewall()
  }
}
