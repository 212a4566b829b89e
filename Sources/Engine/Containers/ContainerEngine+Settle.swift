import EngineErrors
import LinuxSystem
import Metadata
import Runner

/// The true state of a container is that of its shim's lock and exit record; the database follows it, and
/// the journal tells of it, here and nowhere else.
extension ContainerEngine {
  /// Brings the row of a container up to what its shim did; nil when another service removed it meanwhile.
  func settled(_ record: ContainerRecord) async throws -> ContainerRecord? {
    guard try isBehind(record) else { return record }
    let lock: FileLock
    do {
      lock = try await locks.holdContainer(record.id)
    } catch let error as EngineError where error.kind == .notFound {
      return nil
    }
    defer { lock.release() }
    guard let record = try metadata.container(id: record.id) else { return nil }
    return try await settle(record)
  }

  /// The same for a caller that holds the container's lock. Exactly one caller of all services journals a change.
  func settle(_ record: ContainerRecord) async throws -> ContainerRecord {
    switch (record.state, try runner.state(record.id)) {
    case (.running, .exited(let exit)), (.running, .lost(let exit)):
      return try await markExited(record, ExitStatus(exit))
    case (.running, .absent):
      return try await markExited(record, .lost)
    case (.created, .running(let pid)), (.exited, .running(let pid)):
      // The service that started it died before it could say so.
      return try await markRunning(record, pid: pid, at: Timestamp.now)
    case (.created, .exited(let exit)), (.created, .lost(let exit)):
      let running = try await markRunning(record, pid: 0, at: Int64(clamping: exit.at))
      return try await markExited(running, ExitStatus(exit))
    default:
      return record
    }
  }

  /// Changes the row and journals the event in one transaction.
  func markRunning(_ record: ContainerRecord, pid: Int32, at time: Int64) async throws -> ContainerRecord {
    _ = try await metadata.markRunning(
      record.id, pid: pid, at: time,
      events: [.containerStarted(record.id, name: record.name, pid: pid)])
    var record = record
    record.state = .running
    record.pid = pid
    record.startedAt = time
    record.exit = nil
    record.finishedAt = nil
    record.isLost = false
    return record
  }

  func markExited(_ record: ContainerRecord, _ exit: ExitStatus) async throws -> ContainerRecord {
    _ = try await metadata.markExited(
      record.id, from: [record.state], exit: exit.recorded, at: exit.at, isLost: exit.isLost,
      events: [.containerExited(record.id, name: record.name, exit)])
    var record = record
    record.state = .exited
    record.pid = nil
    record.exit = exit.recorded
    record.finishedAt = exit.at
    record.isLost = exit.isLost
    return record
  }

  private func isBehind(_ record: ContainerRecord) throws -> Bool {
    switch (record.state, try runner.state(record.id)) {
    case (.running, .running), (.created, .absent), (.exited, .absent), (.exited, .exited), (.exited, .lost):
      false
    default: true
    }
  }
}
