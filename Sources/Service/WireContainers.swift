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
      restartCount: 0)
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
