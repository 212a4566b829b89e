import Engine
import OCIModel
import RPCModel

/// The engine's images as the wire has them, and back.
extension RPCModel.ImageSummary {
  init(_ image: Engine.ImageSummary) {
    self.init(
      digest: image.digest.description, references: image.references, platform: image.platform.description,
      createdAt: image.created, size: Int(image.size), layerCount: image.layerCount)
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
      stopSignal: config.stopSignal)
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
  }
}
