import EngineErrors
import LinuxSystem
import Metadata
import OCIModel
import Runner

extension ContainerEngine {
  /// Starts a container that does not run; one that has exited starts again on its writable layer.
  ///
  /// - Throws: `conflict` when it runs; `notFound` for a command that is not there and `permissionDenied` for one
  ///   that cannot be executed, which also end the container with the shell's codes 127 and 126.
  package func start(_ name: String) async throws -> ContainerSummary {
    try await summary(start(metadata.container(matching: name)))
  }

  func start(_ record: ContainerRecord) async throws -> ContainerRecord {
    let deadline = ContinuousClock.now + Self.copyPatience
    var lock = try await locks.holdContainer(record.id)
    while try locks.isRootHeld(record.id) {
      lock.release()
      try await awaitRoot(of: record, until: deadline)
      lock = try await locks.holdContainer(record.id)
    }
    defer { lock.release() }
    guard let stored = try metadata.container(id: record.id) else { throw removedMeanwhile(record) }
    let record = try await settle(stored)
    try record.admit(.start)
    // An exit record of an earlier run must not be taken for this one's.
    let endedWell = try await runner.cleanUp(record.id)
    var options = try options(record)
    let ports = try reservePorts(&options)
    if !ports.isEmpty {
      _ = try await metadata.updateContainer(
        record.id, options: String(decoding: try encode(options), as: UTF8.self))
    }
    var prepared = try await prepare(
      record, spec(record.id), root(of: record), options, logEndsWhole: endedWell)
    prepared.ports = ports
    return try await launch(record, prepared)
  }

  /// Lets a shim make what a container runs in. The caller holds the container's state lock.
  func prepare(
    _ record: ContainerRecord, _ spec: RuntimeSpec, _ root: OverlayRoot, _ options: ContainerOptions,
    logEndsWhole: Bool = false
  ) async throws -> PreparedContainer {
    var root = root
    root.lowers.append(mountPoints)
    var (spec, joined) = try joining(spec, options)
    let isConnected = options.network == .bridge
    // One that the container's own user namespace owns is made with that: with ids of its own, root may not change another.
    let ownsNetwork = isConnected && options.userNamespace == .auto
    if ownsNetwork { spec.linux?.namespaces?.removeAll { $0.type == "network" } }
    let network = try await isConnected && !ownsNetwork ? ownNetwork(&spec) : nil
    if let network { joined.append(network) }
    var plan = try LaunchPlan.compile(
      spec: spec, root: root, isRootless: configuration.isRootless,
      groups: runner.groupView(of: record.id, spec.linux?.resources))
    if ownsNetwork { plan.makesNetwork = true }
    // Not before it ends, the user's network does.
    if let userNetwork, network != nil { plan.operations.insert(.hold(path: userNetwork.users), at: 0) }
    if options.hasInit ?? false { plan.operations.insert(.reapOrphans, at: plan.operations.count - 1) }
    do {
      if let rule = options.restart?.rule { try runner.setRestartRule(record.id, rule) }
      var prepared = try await runner.prepare(
        record.id, plan, resources: spec.linux?.resources, log: logPath(record.id),
        endsWhole: logEndsWhole, limit: (options.logLimits ?? configuration.logLimits)?.runner,
        openStdin: options.opensStdin,
        endsWithService: options.lifetime == .session, holding: joined)
      if let network {
        prepared.network = network
      } else if let made = prepared.network {
        do { try await hostNetwork().prepare(made.descriptor) } catch {
          await runner.callOff(prepared)
          throw error
        }
      }
      return prepared
    } catch {
      throw named(error, record)
    }
  }

  /// Starts a container whose state lock the caller holds.
  func launch(_ record: ContainerRecord, _ prepared: PreparedContainer) async throws -> ContainerRecord {
    let started: StartedContainer
    var names: String?
    do {
      if let network = prepared.network {
        async let ports: Void = runner.publish(prepared.ports, of: prepared, network: network.descriptor)
        names = try await connect(record, network)
        try await ports
        if !prepared.ports.isEmpty { Failpoint.portsPublished.pass() }
      }
    } catch {
      await runner.callOff(prepared)
      throw error
    }
    do {
      started = try await runner.start(prepared)
      Failpoint.containerStarted.pass()
    } catch {
      // A command that is not there leaves an exit record with the shell's code: an end without a start.
      if case .exited(let exit) = try runner.state(record.id) {
        _ = try await markExited(record, ExitStatus(exit))
      }
      throw named(error, record)
    }
    do {
      // Also in a task that is cancelled now: it runs, and who is told of it can stop it.
      let running = try await markRunning(
        record, pid: started.pid, at: Int64(clamping: started.startedAt), evenIfCancelled: true)
      if let names { await catchUpNames(of: record.id, names) }
      return running
    } catch {
      // A container that nobody could be told of must not run on.
      await Task {
        try? runner.signal(record.id, Signal.kill.rawValue)
        if let exit = try? await runner.waitForExit(record.id) {
          _ = try? await markExited(record, ExitStatus(exit))
        }
      }.value
      throw error
    }
  }

  /// The runner knows containers by id; people know them by name.
  func named(_ error: any Error, _ record: ContainerRecord) -> any Error {
    guard var error = error as? EngineError else { return error }
    error.message = error.message.replacing(record.id, with: record.name)
    return error
  }
}

extension RestartPolicy {
  /// As the shim has it; nil where it is never to start the container again.
  var rule: RestartRule? {
    switch kind {
    case .never: nil
    case .onFailure: RestartRule(onFailureOnly: true, maximum: maximumRetries.map { UInt64(clamping: $0) })
    case .always, .unlessStopped: RestartRule(onFailureOnly: false)
    }
  }
}
