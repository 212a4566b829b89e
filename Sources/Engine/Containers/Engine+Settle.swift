import EngineErrors
import LinuxSystem
import Metadata
import Runner

/// The true state of a container is that of its shim's lock and exit record; the database follows it, and
/// the journal tells of it, here and nowhere else.
extension Engine {
  /// Brings the row of a container up to what its shim did; nil when another service removed it meanwhile.
  func settled(_ row: ContainerRow) async throws -> ContainerRow? {
    guard try isBehind(row) else { return row }
    let lock = try await locks.holdContainer(row.id)
    defer { lock.release() }
    guard let row = try metadata.container(row.id) else { return nil }
    return try settle(row)
  }

  /// The same for a caller that holds the container's lock. Exactly one caller of all services journals a change.
  func settle(_ row: ContainerRow) throws -> ContainerRow {
    switch (row.state, try runner.state(row.id)) {
    case (.running, .exited(let record)):
      return try markExited(row, ContainerExit(record))
    case (.running, .lost), (.running, .absent):
      return try markExited(row, .lost)
    case (.created, .running(let pid)), (.exited, .running(let pid)):
      // The service that started it died before it could say so.
      return try markStarted(row, pid: pid, at: Timestamp.now)
    case (.created, .exited(let record)):
      return try markExited(try markStarted(row, pid: 0, at: record.at), ContainerExit(record))
    default:
      return row
    }
  }

  /// Marks the row and journals the event in one transaction.
  func markStarted(_ row: ContainerRow, pid: Int32, at time: Int64) throws -> ContainerRow {
    try metadata.markStarted(
      row.id, pid: pid, at: time, events: [.containerStarted(row.id, name: row.name, pid: pid)])
  }

  private func markExited(_ row: ContainerRow, _ exit: ContainerExit) throws -> ContainerRow {
    try metadata.markExited(
      row.id, code: exit.code, signal: exit.signal, at: exit.at, isLost: exit.isLost,
      events: [.containerExited(row.id, name: row.name, exit)])
  }

  private func isBehind(_ row: ContainerRow) throws -> Bool {
    switch (row.state, try runner.state(row.id)) {
    case (.running, .running), (.created, .absent), (.exited, .absent), (.exited, .exited), (.exited, .lost):
      false
    default: true
    }
  }
}

extension ContainerExit {
  init(_ record: ExitRecord) {
    switch record.status {
    case .exited(let code): self.init(code: code, at: record.at)
    case .signalled(let signal): self.init(code: 128 + signal.rawValue, signal: signal.name, at: record.at)
    }
  }

  /// The shim was killed, which kills its container, or the machine went down.
  static var lost: ContainerExit {
    ContainerExit(code: 137, signal: "SIGKILL", at: Timestamp.now, isLost: true)
  }
}
