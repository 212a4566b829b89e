package import LinuxSystem
import Metadata
package import Runner

/// How a process of a container ended.
package struct ExitStatus: Hashable, Sendable {
  /// The process's own exit code, or 128 and the signal's number.
  package var code: Int32
  /// The signal that ended it.
  package var signal: Signal?
  /// In nanoseconds since 1970.
  package var at: Int64
  /// The shim or the machine went down before it could record the end; code and time are then a guess.
  package var isLost: Bool

  package init(code: Int32, signal: Signal? = nil, at: Int64, isLost: Bool = false) {
    self.code = code
    self.signal = signal
    self.at = at
    self.isLost = isLost
  }
}

extension ExitStatus {
  package init(_ record: ExitRecord) {
    var signal: Signal?
    if case .signalled(let number) = record.status { signal = Signal(rawValue: number) }
    self.init(
      code: record.exitCode, signal: signal, at: Int64(clamping: record.at), isLost: record.shimLost)
  }

  /// The machine went down with the container.
  static var lost: ExitStatus {
    ExitStatus(code: 128 + Signal.kill.rawValue, signal: .kill, at: Timestamp.now, isLost: true)
  }

  /// Nil for a container that has not exited.
  init?(_ record: ContainerRecord) {
    guard record.state == .exited, let exit = record.exit else { return nil }
    switch exit {
    case .exited(let code): self.init(code: code, at: record.finishedAt ?? 0, isLost: record.isLost)
    case .signalled(let number):
      self.init(
        code: 128 + number, signal: Signal(rawValue: number), at: record.finishedAt ?? 0,
        isLost: record.isLost)
    }
  }

  /// What the event of an end tells of it; nil for another event.
  init?(_ event: JournalEvent) {
    guard case .integer(let code) = event.attributes["exitCode"], let code = Int32(exactly: code),
      case .integer(let at) = event.attributes["exitedAt"]
    else { return nil }
    var signal: Signal?
    if case .string(let name) = event.attributes["signal"] { signal = Signal(name) }
    self.init(code: code, signal: signal, at: at, isLost: event.attributes["lost"] == .boolean(true))
  }

  var recorded: ContainerExit {
    signal.map { .signalled(signal: $0.rawValue) } ?? .exited(code: code)
  }
}
