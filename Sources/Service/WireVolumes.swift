import Engine
import RPCModel

/// The engine's volumes as the wire has them, and back.
extension RPCModel.VolumeSummary {
  init(_ volume: Engine.VolumeSummary) {
    self.init(
      name: volume.record.name, anonymous: volume.record.isAnonymous,
      createdAt: WireTime.text(volume.record.createdAt), labels: volume.record.labels,
      lifetime: volume.record.session == nil ? .persistent : .session, path: volume.path,
      containers: volume.containers)
  }
}

extension RPCModel.ContainerVolume {
  init(_ volume: Engine.ContainerVolume) {
    self.init(
      volume: volume.name, target: volume.target, readOnly: volume.isReadOnly, subpath: volume.subpath,
      anonymous: volume.isAnonymous)
  }
}

extension Engine.Lifetime {
  init(_ lifetime: RPCModel.Lifetime) {
    self =
      switch lifetime {
      case .persistent: .persistent
      case .session: .session
      }
  }
}
