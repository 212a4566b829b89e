import Engine
import EngineErrors
import LinuxSystem
import OCIModel
import RPCModel

extension Session {
  func containerCreate(_ params: ContainerCreate.Params, _ context: RequestContext) async throws
    -> ContainerCreate.Result
  {
    let options = try ContainerOptions(params.containerCreation)
    return ContainerCreate.Result(
      container: .init(try await engine.create(options)), warnings: engine.warnings(options).wire)
  }

  func containerStart(_ params: ContainerStart.Params, _ context: RequestContext) async throws
    -> ContainerStart.Result
  {
    let started = try await engine.start(params.container)
    return ContainerStart.Result(
      container: .init(started), warnings: try engine.warnings(of: started.id).wire)
  }

  func containerStop(_ params: ContainerStop.Params, _ context: RequestContext) async throws
    -> ContainerStop.Result
  {
    let exit = try await engine.stop(
      params.container, signal: try params.signal.map { try Signal(wire: $0) },
      timeout: params.timeoutMs.map { .milliseconds($0) })
    return ContainerStop.Result(exit: .init(exit))
  }

  func containerKill(_ params: ContainerKill.Params, _ context: RequestContext) async throws
    -> ContainerKill.Result
  {
    try await engine.kill(params.container, signal: try params.signal.map { try Signal(wire: $0) } ?? .kill)
    return ContainerKill.Result()
  }

  func containerWait(_ params: ContainerWait.Params, _ context: RequestContext) async throws
    -> ContainerWait.Result
  {
    let timeout: Duration? = params.timeoutMs.map { .milliseconds($0) }
    if let until = params.until, until.condition != .exited {
      let line = try await engine.wait(params.container, for: WaitCondition(until), timeout: timeout)
      return ContainerWait.Result(line: line)
    }
    return ContainerWait.Result(exit: .init(try await engine.wait(params.container, timeout: timeout)))
  }

  func containerList(_ params: ContainerList.Params, _ context: RequestContext) async throws
    -> ContainerList.Result
  {
    ContainerList.Result(
      containers: try await engine.listContainers(all: params.all ?? false).map { .init($0) })
  }

  func containerInspect(_ params: ContainerInspect.Params, _ context: RequestContext) async throws
    -> ContainerInspect.Result
  {
    let details = try await engine.inspectContainer(params.container)
    return ContainerInspect.Result(
      container: .init(details.summary), environment: details.spec.process?.env ?? [],
      workingDirectory: details.spec.process?.cwd ?? "/", hostname: details.spec.hostname ?? "",
      network: .init(details.options.network),
      networks: details.networks.isEmpty ? nil : details.networks.map { .init($0) },
      opensStdin: details.options.opensStdin,
      autoRemove: details.options.autoRemove, stopSignal: details.stopSignal,
      stopTimeoutMs: details.options.stopTimeoutMilliseconds ?? ContainerOptions.standardStopTimeout,
      upperDirectory: details.upperDirectory,
      logPath: details.logPath, runtimeConfigPath: details.runtimeConfigPath,
      creation: .init(details.options), limits: details.options.limits.map { .init($0) } ?? .init(),
      warnings: details.warnings.wire,
      cgroup: details.controlGroup, volumes: details.options.volumes.map { $0.map { .init($0) } },
      healthChecks: details.healthResults.isEmpty ? nil : details.healthResults.map { .init($0) })
  }

  func containerRemove(_ params: ContainerRemove.Params, _ context: RequestContext) async throws
    -> ContainerRemove.Result
  {
    try await engine.removeContainer(
      params.container, force: params.force ?? false, withVolumes: params.volumes ?? false)
    return ContainerRemove.Result()
  }

  func containerDiff(_ params: ContainerDiff.Params, _ context: RequestContext) async throws
    -> ContainerDiff.Result
  {
    ContainerDiff.Result(
      changes: try await engine.diff(params.container).map { change in
        let kind: ChangeKind =
          switch change.kind {
          case .added: .added
          case .modified: .modified
          case .deleted: .deleted
          }
        return FileChange(path: change.path, kind: kind)
      })
  }

  func containerCommit(_ params: ContainerCommit.Params, _ context: RequestContext) async throws
    -> ContainerCommit.Result
  {
    let (image, warnings) = try await LayerWarnings.collect {
      try await engine.commit(
        params.container, as: Reference(parsing: params.reference), message: params.message,
        author: params.author,
        changes: Engine.ImageChanges(params.changes), reporter: context.reporter(params.workDoneToken))
    }
    return ContainerCommit.Result(image: .init(image), layerWarnings: warnings.wire)
  }
}
