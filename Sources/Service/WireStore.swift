import Engine
import EngineErrors
import RPCModel

/// What the engine tells of its store as the wire has it, and back.
extension RPCModel.ImageUsage {
  init(_ usage: Engine.ImageUsage) {
    let image = usage.image
    self.init(
      digest: image.digest.description, references: image.references, totalBytes: Int(image.totalBytes),
      uniqueBytes: Int(image.uniqueBytes), sharedBytes: Int(image.totalBytes - image.uniqueBytes),
      containers: usage.containers)
  }
}

extension RPCModel.ContainerUsage {
  init(_ usage: Engine.ContainerUsage) {
    self.init(
      id: usage.record.id, name: usage.record.name, state: .init(rawValue: usage.record.state.rawValue),
      bytes: Int(usage.bytes))
  }
}

extension RPCModel.VolumeUsage {
  init(_ usage: Engine.VolumeUsage) {
    self.init(name: usage.name, bytes: Int(usage.bytes), containers: usage.containers)
  }
}

extension RPCModel.PruneItem {
  init(_ item: Engine.PruneItem) {
    self.init(
      id: item.id, kind: item.kind.map { .init(rawValue: $0.rawValue) }, name: item.name,
      bytes: Int(item.bytes),
      reason: item.reason, outcome: item.isRemoved.map { $0 ? .removed : .kept })
  }
}

extension Engine.PruneKind {
  init(wire kind: RPCModel.PruneKind) throws {
    guard let known = Self(rawValue: kind.rawValue) else {
      throw EngineError(
        .invalidArgument, "nothing is pruned that is called \(kind.rawValue)", subject: kind.rawValue,
        hint: "there are \(Self.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    self = known
  }
}
