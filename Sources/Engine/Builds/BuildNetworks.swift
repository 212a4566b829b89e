import Dockerfile
import EngineErrors
import LinuxSystem
import Metadata
import Networking
import Runner
import Synchronization
import SystemPackage

/// What RUNs have of networks that ask for none of their own.
package enum BuildNetwork: Hashable, Sendable {
  /// The network that containers have by default; none where this machine can make none.
  case automatic
  case none
  case host
  /// By its name or id.
  case named(String)
}

/// What one RUN has.
enum RunNetwork: Hashable, Sendable {
  case none
  case host
  case named(String)

  /// As a key of the cache has it.
  var name: String {
    switch self {
    case .none: "none"
    case .host: "host"
    case .named(let name): name
    }
  }
}

/// The network namespaces of one build's RUNs, each connected under an address of its own.
///
/// RUNs at the same time never share one; a RUN that comes later has that of an earlier one, in which no process is any more. So
/// the cost is once for a build, and most of it while other instructions are carried out.
final class BuildNetworks: Sendable {
  struct Place: Sendable {
    let network: NetworkRecord
    let namespace: HeldNamespace
    /// Ends when it is connected.
    let ready: Task<Void, any Error>
  }

  private struct State {
    var idle: [Place] = []
    var ahead: Task<Place, any Error>?
    /// Of the connections.
    var ids: [String] = []
    var connecting: [Task<Void, any Error>] = []
    var isOver = false
  }
  private let state = Mutex(State())
  private let engine: ContainerEngine
  private let name: String

  init(_ engine: ContainerEngine, _ name: String) {
    self.engine = engine
    self.name = name
  }

  /// Begins to make one that is soon needed. What goes wrong is told to who takes it.
  func prepareAhead() {
    state.withLock { state in
      guard state.idle.isEmpty, state.ahead == nil, state.ids.isEmpty, !state.isOver else { return }
      state.ahead = Task { [self] in try await make() }
    }
  }

  /// One that nobody else has, until it is put back. It may not be connected yet.
  func take() async throws -> Place {
    let (idle, ahead) = state.withLock { state in
      let idle = state.idle.popLast()
      guard idle == nil else { return (idle, nil as Task<Place, any Error>?) }
      defer { state.ahead = nil }
      return (nil, state.ahead)
    }
    if let idle { return idle }
    if let ahead { return try await ahead.value }
    return try await make()
  }

  func putBack(_ place: Place) { state.withLock { if !$0.isOver { $0.idle.append(place) } } }

  private func make() async throws -> Place {
    let (engine, id) = (engine, ContainerName.newIdentifier())
    let host = try await engine.hostNetwork()
    let network = try await engine.network(for: name)
    let namespace = HeldNamespace(try await host.makeNamespace())
    let ready = Task {
      let endpoint = try await engine.metadata.connect(
        build: id, ofSession: engine.ownSession(), to: network.id, choosing: ContainerEngine.addressChoice)
      Failpoint.endpointRecorded.pass()
      let link = endpoint.plan(
        in: try network.plan(), store: try engine.metadata.storeIdentity())
      try await host.attach([link], to: namespace.descriptor)
      try await engine.ensureFirewall()
    }
    state.withLock { state in
      state.ids.append(id)
      state.connecting.append(ready)
    }
    return Place(network: network, namespace: namespace, ready: ready)
  }

  /// Lets go of all of it; the kernel removes what nobody is in. To be called when no RUN runs any more.
  func end() async {
    let ahead = state.withLock { state in
      state.isOver = true
      return state.ahead
    }
    _ = await ahead?.result
    let (ids, connecting) = state.withLock { state in
      state.ahead = nil
      state.idle = []
      return (state.ids, state.connecting)
    }
    for task in connecting { _ = await task.result }
    if ids.isEmpty { return }
    do { try await engine.metadata.disconnectBuilds(ids) } catch {
      engine.log.error("cannot disconnect a build from its network: \(error)")
    }
  }
}

extension BuildRun {
  /// What a RUN is given.
  ///
  /// - Throws: `permissionDenied` for the host's network where nobody has allowed it.
  func network(of step: RunStep) throws -> RunNetwork {
    switch step.network {
    case .none: return .none
    case .default: return defaultNetwork
    case .host:
      guard request.network == .host || request.entitlements.contains(.hostNetwork) else {
        throw EngineError(
          .permissionDenied, "the host's network is not given to the build", subject: "network",
          hint: "give it with --network host, or --allow network.host")
      }
      return .host
    }
  }

  /// That of RUNs that ask for none of their own.
  private var defaultNetwork: RunNetwork {
    switch request.network {
    case .none: return .none
    case .host: return .host
    case .named(let name): return .named(name)
    case .automatic:
      guard let warning = missingNetwork else { return .named(ContainerEngine.defaultNetwork) }
      noteMissingNetwork(warning)
      return .none
    }
  }

  /// Namespaces of the build's network; nil where its RUNs have none by default.
  func makeNetworks() -> BuildNetworks? {
    guard case .named(let name) = defaultNetwork else { return nil }
    return BuildNetworks(engine, name)
  }

  /// Whether something in these stages is to have the build's network.
  func needsNetwork(_ stages: [Int]) -> Bool {
    let plan = BuildPlan(dockerfile, global, request.namedContexts)
    return stages.contains { index in
      plan.replacement(of: index) == nil
        && dockerfile.stages[index].instructions.contains { instruction in
          if case .run(let step) = instruction.content { step.network == .default } else { false }
        }
    }
  }
}

extension ContainerEngine {
  /// Why this machine cannot make networks, as far as a look can tell.
  var lackOfNetworks: EngineError? {
    do {
      if userNetwork != nil { try UserNetwork.check() } else { try HostNetwork.check() }
      return nil
    } catch {
      return EngineError("make networks", wrapping: error)
    }
  }

  /// Writes what a RUN knows of names: those of its network, and whom it asks for others.
  func writeNames(
    of network: NetworkRecord, _ hostname: String?, _ options: ContainerOptions, into directory: FilePath
  ) throws {
    let hosts =
      try NameFiles.ownHosts(hostname: hostname, options, gateways: [])
      + NameFiles.hosts(metadata.members(ofNetwork: network.id))
    try replaceContent(directory.appending(BoundFile.hosts.rawValue), hosts)
    try replaceContent(directory.appending(BoundFile.resolvConf.rawValue), resolvers(nil))
  }
}
