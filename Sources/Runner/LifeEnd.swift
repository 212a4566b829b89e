import LinuxSystem
internal import SystemPackage

/// What a container's end is seen by.
enum LifeEnd: Sendable {
  /// The report socket of a shim that this service started, which is at its end with the exit record.
  case channel(StatusChannel)
  /// The shim's own end, which comes when the container's mounts are taken down.
  case shim(ProcessDescriptor)

  /// Readable then.
  var descriptor: FileDescriptor {
    switch self {
    case .channel(let channel): channel.descriptor
    case .shim(let process): process.descriptor
    }
  }
}

extension Runner {
  /// - Returns: nil for a container that does not run.
  func lifeEnd(_ id: String) throws -> LifeEnd? {
    if let channel = ownShims[id] { return .channel(channel) }
    return try runningShim(id).map { .shim($0) }
  }
}
