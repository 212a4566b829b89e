import Glibc
import LinuxSystem
import RPCModel
import RPCTransport
import SystemPackage
import TestSupport
import Testing

/// A store whose services are in a network namespace of the test's, with busybox in it.
struct NetworkScene: Sendable {
  let store: TestStore
  let host: TestNetwork
  let service: TestService

  static func with(_ body: @Sendable (NetworkScene) async throws -> Void) async throws {
    let host = try await TestNetwork()
    try await withTestStore(.root) { store in
      var store = store
      store.network = host
      let service = try await store.service()
      _ = try await service.importBusybox(store)
      let scene = NetworkScene(store: store, host: host, service: service)
      do { try await body(scene) } catch {
        // Nothing of it is to go on beside the other tests.
        try? await scene.removeContainers()
        _ = await service.stop()
        throw error
      }
      try await scene.leaveNothing()
    }
  }

  /// Starts a container that sleeps.
  @discardableResult
  func start(
    _ name: String, _ networks: [NetworkAttachment] = [], by other: TestService? = nil,
    _ change: (inout ContainerRun.Params) -> Void = { _ in }
  ) async throws -> ContainerSummary {
    var params = ContainerRun.Params(
      image: "busybox:1", name: name, command: ["sleep", "10000"], network: .bridge,
      networks: networks.isEmpty ? nil : networks, initProcess: true, detach: true)
    change(&params)
    return try await (other ?? service).send(ContainerRun.self, params).container
  }

  func create(_ name: String, _ change: (inout NetworkCreate.Params) -> Void = { _ in }) async throws
    -> NetworkSummary
  {
    var params = NetworkCreate.Params(name: name)
    change(&params)
    return try await service.send(NetworkCreate.self, params).network
  }

  /// What a shell in a container says; it must succeed.
  @discardableResult
  func shell(_ container: String, _ script: String) async throws -> String {
    let (text, exit) = try await service.exec(container, ["sh", "-c", script])
    guard exit.code == 0 else { throw TestFailure("\(script) in \(container): \(exit.code), \(text)") }
    return text
  }

  /// Whether a container gets an answer from a name or an address, which may be late.
  func reaches(_ container: String, _ target: String) async throws -> Bool {
    try await ping(target, from: container, seconds: 120)
  }

  /// Whether it gets none, which one that comes in a quick machine's time would be.
  func failsToReach(_ container: String, _ target: String) async throws -> Bool {
    try await !ping(target, from: container, seconds: 5)
  }

  private func ping(_ target: String, from container: String, seconds: Int) async throws -> Bool {
    let family = target.contains(":") ? "-6" : "-4"
    return try await service.exec(
      container, ["/bin/busybox", "ping", family, "-c", "1", "-W", "\(seconds)", target]
    ).exit.code == 0
  }

  func endpoint(_ container: String, _ network: String) async throws -> NetworkEndpoint {
    let networks = try await service.send(ContainerInspect.self, .init(container: container)).networks ?? []
    return try #require(networks.first { $0.networkName == network })
  }

  /// Without the length of the range.
  func addresses(_ container: String, _ network: String) async throws -> [String] {
    let endpoint = try await endpoint(container, network)
    return [endpoint.ipv4, endpoint.ipv6].compactMap { $0.map { String($0.prefix { $0 != "/" }) } }
  }

  /// Changes the database beside the services.
  func database(_ statement: String) async throws {
    let script = """
      import sqlite3, sys
      database = sqlite3.connect(sys.argv[1], timeout=60)
      database.execute(sys.argv[2])
      database.commit()
      """
    let done = try await store.run([
      "python3", "-c", script, store.store.appending("db.sqlite").string, statement,
    ])
    guard done.succeeded else { throw TestFailure("\(statement): \(done.errorText)") }
  }

  /// Where the engine makes networks: the host's network namespace, or an ordinary user's own.
  ///
  /// - Throws: where the user has none.
  func placeOfNetworks() throws -> FilePath {
    guard store.account == .ordinary else { return host.path }
    guard case .process(let keeper) = try LifeLock.holder(of: store.run.appending("network/lock")) else {
      throw TestFailure("nobody keeps the user's network")
    }
    return FilePath("/proc/\(keeper)/ns/net")
  }

  /// What a shell says there.
  @discardableResult
  func amongNetworks(_ script: String) async throws -> String {
    let launcher = ["/usr/bin/nsenter", "--net=\(try placeOfNetworks())", "--"]
    let done = try await ChildProcess.run(launcher + ["/bin/sh", "-ec", script])
    guard done.succeeded else { throw TestFailure("\(script): \(done.errorText)") }
    return done.text
  }

  /// The names of the interfaces that the engine has made.
  func interfaces() async throws -> [String] {
    try await amongNetworks("ip -o link").split(separator: "\n").compactMap { line in
      let words = line.split(separator: " ")
      guard words.count > 2, let name = words[1].split(whereSeparator: { $0 == "@" || $0 == ":" }).first
      else { return nil }
      return name.hasPrefix("cor-") || name.hasPrefix("cv") ? String(name) : nil
    }
  }

  /// Links go after their container, in the kernel's own time: waits until there are only so many.
  func waitForInterfaces(_ count: Int) async throws {
    try await eventually(describing: "only \(count) interfaces are left") {
      try await interfaces()
    } until: {
      $0.count == count
    }
  }

  /// Removes all containers and networks, and sees that nothing is left of them.
  func leaveNothing() async throws {
    try await removeAll()
    #expect(await service.stop() == 0)
  }

  /// The same while the service goes on.
  func removeAll() async throws {
    try await removeContainers()
    for network in try await service.send(NetworkList.self, .init()).networks {
      _ = try await service.send(NetworkRemove.self, .init(network: network.id))
    }
    try await waitForInterfaces(0)
    let tables = try await amongNetworks("nft list tables")
    #expect(tables.isEmpty)
  }

  func removeContainers() async throws {
    for container in try await service.send(ContainerList.self, .init(all: true)).containers {
      _ = try await service.send(ContainerRemove.self, .init(container: container.id, force: true))
    }
  }

  /// Waits until a container's policy has started it again.
  func waitForRestart(_ container: String) async throws {
    let seen = try await eventually(describing: "\(container) is started again") {
      try await service.send(ContainerInspect.self, .init(container: container)).container
    } until: {
      $0.restartCount > 0 || $0.state == .exited
    }
    try #require(seen.restartCount > 0, "it has ended for good")
  }

  func expect<Request: RPCRequest>(
    _ kind: ErrorKind, of type: Request.Type, _ params: Request.Params,
    _ location: SourceLocation = #_sourceLocation
  ) async {
    await service.expect(kind, of: type, params, hasHint: kind != .notFound, location)
  }
}
