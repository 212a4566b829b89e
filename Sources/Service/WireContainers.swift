import Engine
import EngineErrors
import LinuxSystem
import RPCModel

/// The engine's containers as the wire has them, and back.
extension RPCModel.ContainerSummary {
  init(_ container: Engine.ContainerSummary) {
    self.init(
      id: container.id, name: container.name, image: container.image,
      imageDigest: container.imageDigest.description, command: container.command,
      state: ContainerState(rawValue: container.state.rawValue), pid: container.pid.map(Int.init),
      labels: container.labels, createdAt: WireTime.text(container.createdAt),
      startedAt: container.startedAt.map(WireTime.text), exit: container.exit.map { .init($0) },
      health: container.health.map { HealthState(rawValue: $0.rawValue) },
      restartCount: Int(container.restartCount),
      ports: container.ports.isEmpty ? nil : container.ports.map { .init($0) })
  }
}

extension RPCModel.ExitStatus {
  init(_ exit: Engine.ExitStatus) {
    self.init(
      code: min(max(Int(exit.code), 0), 255), signal: exit.signal?.description, at: WireTime.text(exit.at),
      lost: exit.isLost)
  }
}

extension Signal {
  /// - Throws: `invalidArgument` for what is no signal.
  init(wire text: String) throws(EngineError) {
    guard let signal = Signal(text) else {
      throw EngineError(
        .invalidArgument, "not a signal: \(text)", subject: text,
        hint: "a signal is a name such as SIGTERM, or a number")
    }
    self = signal
  }
}

extension HealthCheckResult {
  init(_ result: HealthResult) {
    self.init(
      at: WireTime.text(result.at), durationMs: Int(result.duration / 1_000_000),
      exitCode: result.exitCode.map { min(max(Int($0), 0), 255) }, output: result.output)
  }
}

extension Engine.WaitCondition {
  /// - Throws: `invalidArgument` where a member is missing.
  init(_ until: RPCModel.WaitCondition) throws(EngineError) {
    switch until.condition {
    case .exited, .running: self = .running
    case .healthy: self = .healthy
    case .portOpen:
      guard let port = until.port.flatMap(UInt16.init(exactly:)) else {
        throw EngineError(
          .invalidArgument, "the port to wait for is not given", subject: "until.port",
          hint: "give a port from 0 to 65535")
      }
      self = .portOpen(port)
    case .logMatch:
      guard let pattern = until.pattern, pattern.utf8.count <= 4096 else {
        throw EngineError(
          .invalidArgument, "the text to wait for is not given, or longer than 4096 bytes",
          subject: "until.pattern", hint: "give a shorter text that the container writes")
      }
      self = .logMatch(pattern)
    }
  }
}
