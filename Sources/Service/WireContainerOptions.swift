import Engine
import EngineErrors
import LinuxSystem
import OCIModel
import RPCModel

/// What a container is made from, as the wire has it, and back.
extension ContainerOptions {
  init(_ creation: ContainerCreation) throws {
    self.init(image: creation.image)
    name = creation.name
    command = creation.command
    entrypoint = creation.entrypoint
    environment = creation.environment ?? [:]
    workingDirectory = creation.workingDirectory
    user = creation.user
    addedGroups = creation.addedGroups
    hostname = creation.hostname
    let needsNetwork =
      creation.networks?.isEmpty == false || creation.ports?.isEmpty == false
      || creation.publishExposed == true
    network = creation.network.map { .init($0) } ?? (needsNetwork ? .bridge : .none)
    networks = creation.networks?.map { .init($0) }
    extraHosts = creation.extraHosts?.map { .init(name: $0.name, address: $0.address) }
    nameServers = creation.dns.map { .init($0) }
    ports = try creation.ports?.flatMap { try Engine.PortMapping.each($0) }
    publishesExposed = creation.publishExposed
    networkContainer = creation.networkContainer
    opensStdin = creation.opensStdin ?? false
    if creation.tty ?? false {
      terminal = creation.terminalSize.map { TerminalOptions(rows: $0.rows, columns: $0.columns) } ?? .init()
    }
    labels = creation.labels ?? [:]
    stopSignal = try creation.stopSignal.map { try Signal(wire: $0).description }
    if let timeout = creation.stopTimeoutMs { stopTimeoutMilliseconds = timeout }
    autoRemove = creation.autoRemove ?? false
    lifetime = creation.lifetime.map { .init($0) }
    hasInit = creation.initProcess
    restart = creation.restart.map { .init($0) }
    health = creation.health.map { .init($0) }
    logLimits = creation.logLimits.map { limits in
      let standard = Engine.LogLimits()
      return .init(
        fileBytes: limits.fileBytes.map(Int64.init) ?? standard.fileBytes,
        files: limits.files ?? standard.files)
    }
    take(limits: creation)
    try take(isolation: creation)
  }

  private mutating func take(limits creation: ContainerCreation) {
    limits = creation.limits.map { .init($0) }
    ulimits = creation.ulimits?.map {
      .init(name: $0.name, soft: $0.soft.map { UInt64($0) }, hard: ($0.hard ?? $0.soft).map { UInt64($0) })
    }
    sharedMemoryBytes = creation.sharedMemoryBytes.map(Int64.init)
    oomScoreAdjust = creation.oomScoreAdjust.map { Int32(clamping: $0) }
  }

  private mutating func take(isolation creation: ContainerCreation) throws {
    mounts = creation.mounts?.map { .init($0) }
    devices = creation.devices?.map { .init(path: $0.path, target: $0.target, access: $0.access) }
    sysctls = creation.sysctls
    hasReadOnlyRoot = creation.readOnlyRoot ?? false
    noNewPrivileges = creation.noNewPrivileges ?? false
    addedCapabilities = creation.addedCapabilities
    droppedCapabilities = creation.droppedCapabilities
    seccomp = try creation.seccomp.map { try .init($0) }
    maskedPaths = creation.maskedPaths
    readOnlyPaths = creation.readOnlyPaths
    isPrivileged = creation.privileged
    userNamespace = creation.userNamespace.map { $0 == .auto ? .auto : .host }
    pidNamespace = try creation.pidNamespace.map { try .init($0) }
    ipcNamespace = try creation.ipcNamespace.map { try .init($0) }
    utsNamespace = try creation.utsNamespace.map { try .init($0) }
    cgroupNamespace = try creation.cgroupNamespace.map { try .init($0) }
  }
}

extension ContainerCreation {
  /// As it was asked for: what was left out stays so.
  init(_ options: ContainerOptions) {
    func some<Value: Collection>(_ value: Value) -> Value? { value.isEmpty ? nil : value }
    func only(_ flag: Bool?) -> Bool? { flag == true ? true : nil }
    self.init(
      image: options.image, name: options.name, command: options.command, entrypoint: options.entrypoint,
      environment: some(options.environment), workingDirectory: options.workingDirectory,
      user: options.user, hostname: options.hostname, network: .init(options.network),
      networks: options.networks?.map { .init($0) }, ports: options.ports?.map { .init($0) },
      publishExposed: only(options.publishesExposed),
      extraHosts: options.extraHosts?.map { .init(name: $0.name, address: $0.address) },
      dns: options.nameServers.map { .init($0) },
      opensStdin: only(options.opensStdin), labels: some(options.labels), stopSignal: options.stopSignal,
      stopTimeoutMs: options.stopTimeoutMilliseconds, autoRemove: only(options.autoRemove),
      readOnlyRoot: only(options.hasReadOnlyRoot), noNewPrivileges: only(options.noNewPrivileges),
      tty: options.terminal.map { _ in true },
      terminalSize: options.terminal.map { .init(rows: $0.rows, columns: $0.columns) },
      initProcess: options.hasInit, restart: options.restart.map { .init($0) },
      health: options.health.map { .init($0) },
      lifetime: options.lifetime.map { $0 == .session ? .session : .persistent },
      limits: options.limits.map { .init($0) },
      ulimits: options.ulimits?.map {
        .init(name: $0.name, soft: $0.soft.map(Int.init(clamping:)), hard: $0.hard.map(Int.init(clamping:)))
      },
      sharedMemoryBytes: options.sharedMemoryBytes.map(Int.init),
      devices: options.devices?.map { .init(path: $0.path, target: $0.target, access: $0.access) },
      mounts: options.mounts?.map { .init($0) }, sysctls: options.sysctls, addedGroups: options.addedGroups,
      addedCapabilities: options.addedCapabilities, droppedCapabilities: options.droppedCapabilities,
      seccomp: options.seccomp.map { .init($0) }, maskedPaths: options.maskedPaths,
      readOnlyPaths: options.readOnlyPaths, privileged: options.isPrivileged,
      userNamespace: options.userNamespace.map { $0 == .auto ? .auto : .host },
      pidNamespace: options.pidNamespace.map { .init($0) },
      ipcNamespace: options.ipcNamespace.map { .init($0) },
      utsNamespace: options.utsNamespace.map { .init($0) },
      cgroupNamespace: options.cgroupNamespace.map { .init($0) }, networkContainer: options.networkContainer,
      oomScoreAdjust: options.oomScoreAdjust.map(Int.init),
      logLimits: options.logLimits.map { .init(fileBytes: Int($0.fileBytes), files: $0.files) })
  }
}

extension Engine.RestartPolicy {
  init(_ policy: RPCModel.RestartPolicy) {
    let kind: Kind =
      switch policy.kind {
      case .never: .never
      case .onFailure: .onFailure
      case .always: .always
      case .unlessStopped: .unlessStopped
      }
    self.init(kind, maximumRetries: policy.maximumRetries)
  }
}

extension RPCModel.RestartPolicy {
  init(_ policy: Engine.RestartPolicy) {
    let kind: RestartKind =
      switch policy.kind {
      case .never: .never
      case .onFailure: .onFailure
      case .always: .always
      case .unlessStopped: .unlessStopped
      }
    self.init(kind: kind, maximumRetries: policy.maximumRetries)
  }
}

extension Engine.ResourceLimits {
  init(_ limits: RPCModel.ResourceLimits) {
    self.init()
    memoryBytes = limits.memoryBytes.map(Int64.init)
    memoryReservationBytes = limits.memoryReservationBytes.map(Int64.init)
    swapBytes = limits.swapBytes.map(Int64.init)
    cpuMillis = limits.cpuMillis.map(Int64.init)
    cpuWeight = limits.cpuWeight.map(Int64.init)
    cpuSet = limits.cpuSet
    memoryNodes = limits.memoryNodes
    processes = limits.processes.map(Int64.init)
    ioWeight = limits.ioWeight.map(Int64.init)
    ioRates = limits.ioRates?.map { rate in
      var taken = Engine.DeviceRate(device: rate.device)
      taken.readBytes = rate.readBytesPerSecond.map(Int64.init)
      taken.writeBytes = rate.writeBytesPerSecond.map(Int64.init)
      taken.reads = rate.readsPerSecond.map(Int64.init)
      taken.writes = rate.writesPerSecond.map(Int64.init)
      return taken
    }
  }
}

extension RPCModel.ResourceLimits {
  init(_ limits: Engine.ResourceLimits) {
    self.init(
      memoryBytes: limits.memoryBytes.map(Int.init),
      memoryReservationBytes: limits.memoryReservationBytes.map(Int.init),
      swapBytes: limits.swapBytes.map(Int.init), cpuMillis: limits.cpuMillis.map(Int.init),
      cpuWeight: limits.cpuWeight.map(Int.init), cpuSet: limits.cpuSet, memoryNodes: limits.memoryNodes,
      processes: limits.processes.map(Int.init), ioWeight: limits.ioWeight.map(Int.init),
      ioRates: limits.ioRates?.map {
        .init(
          device: $0.device, readBytesPerSecond: $0.readBytes.map(Int.init),
          writeBytesPerSecond: $0.writeBytes.map(Int.init), readsPerSecond: $0.reads.map(Int.init),
          writesPerSecond: $0.writes.map(Int.init))
      })
  }
}
