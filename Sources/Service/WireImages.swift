import Engine
import OCIModel
import RPCModel

/// The engine's images as the wire has them, and back.
extension RPCModel.ImageSummary {
  init(_ image: Engine.ImageSummary) {
    self.init(
      digest: image.digest.description, references: image.references, platform: image.platform.description,
      createdAt: image.created, size: Int(image.size), layerCount: image.layerCount,
      totalBytes: Int(image.totalBytes), uniqueBytes: Int(image.uniqueBytes),
      sharedBytes: Int(image.totalBytes - image.uniqueBytes))
  }
}

extension RPCModel.ImageLayer {
  init(_ layer: Engine.ImageLayer) {
    self.init(
      digest: layer.descriptor.digest.description, diffId: layer.diffID.description,
      size: Int(layer.descriptor.size), mediaType: layer.descriptor.mediaType)
  }
}

extension ImageConfiguration {
  init(_ config: ImageConfig.Execution) {
    self.init(
      entrypoint: config.entrypoint ?? [], command: config.cmd ?? [], environment: config.env ?? [],
      workingDirectory: config.workingDir, user: config.user, labels: config.labels ?? [:],
      exposedPorts: (config.exposedPorts ?? [:]).keys.sorted(),
      volumes: (config.volumes ?? [:]).keys.sorted(),
      stopSignal: config.stopSignal, onBuild: (config.onBuild ?? []).isEmpty ? nil : config.onBuild,
      healthCheck: config.healthcheck.map { .init($0) })
  }
}

extension [LayerWarnings.Warning] {
  /// Nil where there is none.
  var wire: [LayerWarning]? {
    isEmpty ? nil : map { LayerWarning(layer: $0.layer.description, text: $0.text) }
  }
}

extension HealthCheck {
  init(_ check: ImageConfig.Healthcheck) {
    func milliseconds(_ nanoseconds: Int64?) -> Int? { nanoseconds.map { Int($0 / 1_000_000) } }
    self.init(
      test: check.test ?? [], intervalMs: milliseconds(check.interval),
      timeoutMs: milliseconds(check.timeout),
      startPeriodMs: milliseconds(check.startPeriod), startIntervalMs: milliseconds(check.startInterval),
      retries: check.retries.map { Int($0) })
  }
}

extension ImageConfig.Healthcheck {
  init(_ check: HealthCheck) {
    func nanoseconds(_ milliseconds: Int?) -> Int64? { milliseconds.map { Int64($0) * 1_000_000 } }
    self.init()
    test = check.test
    interval = nanoseconds(check.intervalMs)
    timeout = nanoseconds(check.timeoutMs)
    startPeriod = nanoseconds(check.startPeriodMs)
    startInterval = nanoseconds(check.startIntervalMs)
    retries = check.retries.map(Int64.init)
  }
}

extension PullOutcome {
  init(_ outcome: LayerOutcome) {
    switch outcome {
    case .fetched: self = .fetched
    case .present: self = .present
    case .waited: self = .waited
    }
  }
}

extension Engine.ImageChanges {
  init(_ changes: RPCModel.ImageChanges?) {
    self.init()
    command = changes?.command
    entrypoint = changes?.entrypoint
    environment = changes?.environment
    workingDirectory = changes?.workingDirectory
    user = changes?.user
    labels = changes?.labels
    exposedPorts = changes?.exposedPorts
    stopSignal = changes?.stopSignal
    volumes = changes?.volumes
    onBuild = changes?.onBuild
    healthcheck = changes?.healthCheck.map { .init($0) }
  }
}
