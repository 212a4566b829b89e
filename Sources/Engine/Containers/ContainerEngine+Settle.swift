import EngineErrors
import LinuxSystem
import Metadata
import Runner

/// The true state of a container is that of its shim's lock and files; the database follows it, and the journal tells of it,
/// here and nowhere else. What follows from what is seen is `ContainerLife`'s to say.
extension ContainerEngine {
  /// Brings the row of a container up to what its shim did; nil when another service removed it meanwhile.
  ///
  /// - Parameter hasEnded: it is known to be behind, so that the look before the lock is taken would be one too many.
  func settled(_ record: ContainerRecord, hasEnded: Bool = false) async throws -> ContainerRecord? {
    guard try hasEnded || isBehind(record, runner.look(record.id, taking: record.pid)) else { return record }
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
    let look = try runner.look(record.id)
    guard isBehind(record, look) else { return record }
    let seen = look.state
    let sighting = ContainerLife.Sighting(seen, of: record)
    var record = hasUnreadLives(record, look) ? try await recordLives(record) : record
    for change in ContainerLife(state: record.state).changes(seeing: sighting) {
      record = try await apply(change, to: record, seen)
    }
    return record
  }

  /// The same for who removes the container: an end that is all that its row lacks is left to the transaction of the removal.
  func settleUpToEnd(_ record: ContainerRecord) async throws -> (ContainerRecord, end: ExitStatus?) {
    let look = try runner.look(record.id)
    let sighting = ContainerLife.Sighting(look.state, of: record)
    guard ContainerLife(state: record.state).changes(seeing: sighting) == [.exited],
      !hasUnreadLives(record, look), let exit = look.state.exit
    else { return (try await settle(record), nil) }
    return (try await markOutOfMemory(record), ExitStatus(exit))
  }

  private func isBehind(_ record: ContainerRecord, _ look: RunnerLook) -> Bool {
    let sighting = ContainerLife.Sighting(look.state, of: record)
    return !ContainerLife(state: record.state).changes(seeing: sighting).isEmpty
      || hasUnreadLives(record, look)
  }

  // MARK: Restarts by the shim

  private func hasUnreadLives(_ record: ContainerRecord, _ look: RunnerLook) -> Bool {
    look.livesSize > record.livesRead
      && mayHaveLives(record, ContainerLife.Sighting(look.state, of: record))
  }

  /// What is left of an ended run has been read with its end.
  private func mayHaveLives(_ record: ContainerRecord, _ sighting: ContainerLife.Sighting) -> Bool {
    switch record.state {
    case .running, .paused, .restarting: true
    case .created, .exited: sighting != .absent && sighting != .exited
    }
  }

  /// Journals what a shim wrote about restarts since the last look, in the order in which it was.
  private func recordLives(_ record: ContainerRecord) async throws -> ContainerRecord {
    var record = record
    if !ContainerState.live.contains(record.state) {
      record = try await markRunning(record, pid: 0, at: Timestamp.now)
    }
    var hasBegun = false
    for entry in try runner.lives(record.id, after: record.livesRead) {
      switch entry.content {
      case .ended(let exit, let until):
        hasBegun = false
        record = try await markRestarting(record, ExitStatus(exit), until: until, livesRead: entry.end)
      case .started(let pid, let at):
        hasBegun = true
        record = try await markRestarted(record, pid: pid, at: Int64(clamping: at), livesRead: entry.end)
      }
    }
    runner.forgetLives(record.id, before: record.livesRead)
    // Under the container's lock, which it waits for.
    if hasBegun { Task { [id = record.id] in await repairNetworks(of: id) } }
    return record
  }

  // MARK: Rows and events, each in one transaction

  private func apply(
    _ change: ContainerLife.Change, to record: ContainerRecord, _ seen: RunnerState
  ) async throws -> ContainerRecord {
    switch (change, seen) {
    case (.started, .running(let pid)), (.started, .paused(let pid)):
      let running = try await markRunning(record, pid: pid, at: Timestamp.now)
      await catchUpNames(of: record.id)
      return running
    case (.started, .exited(let exit)), (.started, .lost(let exit)):
      return try await markRunning(record, pid: 0, at: Int64(clamping: exit.at))
    case (.exited, .exited(let exit)), (.exited, .lost(let exit)):
      return try await markExited(record, ExitStatus(exit))
    case (.paused, _): return try await mark(record, paused: true)
    case (.unpaused, _): return try await mark(record, paused: false)
    case (.started, _), (.exited, _), (.lost, _): return try await markExited(record, .lost)
    }
  }

  func markRunning(
    _ record: ContainerRecord, pid: Int32, at time: Int64, evenIfCancelled: Bool = false
  ) async throws -> ContainerRecord {
    var record = record
    record.begin(pid: pid, at: time)
    record.restartCount = 0
    record.outOfMemoryKills = 0
    record.livesRead = 0
    record.isStopped = false
    _ = try await metadata.markRunning(
      record.id, pid: pid, at: time,
      events: [.containerStarted(record.id, name: record.name, pid: pid)] + healthEvents(of: record),
      evenIfCancelled: evenIfCancelled)
    return record
  }

  private func markRestarted(
    _ record: ContainerRecord, pid: Int32, at time: Int64, livesRead: Int64
  ) async throws -> ContainerRecord {
    var record = record
    record.begin(pid: pid, at: time)
    record.restartCount += 1
    record.livesRead = livesRead
    _ = try await metadata.markRestarted(
      record.id, pid: pid, at: time, restartCount: record.restartCount, livesRead: livesRead,
      events: [
        .containerStarted(record.id, name: record.name, pid: pid, restarts: record.restartCount)
      ] + healthEvents(of: record))
    return record
  }

  private func markRestarting(
    _ record: ContainerRecord, _ exit: ExitStatus, until: UInt64, livesRead: Int64
  ) async throws -> ContainerRecord {
    var record = try await markOutOfMemory(record)
    _ = try await metadata.markRestarting(
      record.id, exit: exit.recorded, at: exit.at, livesRead: livesRead,
      events: [
        .containerExited(record.id, name: record.name, exit, restartsAt: Int64(clamping: until))
      ])
    record.end(.restarting, exit)
    record.livesRead = livesRead
    return record
  }

  func markExited(_ record: ContainerRecord, _ exit: ExitStatus) async throws -> ContainerRecord {
    var record = try await markOutOfMemory(record)
    // Who hears of the end can have its ports.
    runner.endForwarder(record.id)
    _ = try await metadata.markExited(
      record.id, from: [record.state], exit: exit.recorded, at: exit.at, isLost: exit.isLost,
      events: [.containerExited(record.id, name: record.name, exit)])
    await runner.releaseGroup(record.id)
    record.end(.exited, exit)
    return record
  }

  private func mark(_ record: ContainerRecord, paused: Bool) async throws -> ContainerRecord {
    _ = try await metadata.mark(
      record.id, paused: paused,
      events: [
        paused
          ? .containerPaused(record.id, name: record.name) : .containerUnpaused(record.id, name: record.name)
      ])
    var record = record
    record.state = paused ? .paused : .running
    return record
  }

  private func healthEvents(of record: ContainerRecord) -> [JournalEvent] {
    record.health.map { [.containerHealthChanged(record.id, name: record.name, $0)] } ?? []
  }
}

extension RunnerState {
  fileprivate var exit: ExitRecord? {
    switch self {
    case .exited(let exit), .lost(let exit): exit
    case .running, .paused, .restarting, .absent: nil
    }
  }
}

extension ContainerLife.Sighting {
  init(_ state: RunnerState, of record: ContainerRecord) {
    switch state {
    case .absent: self = .absent
    case .running: self = .running
    case .paused: self = .paused
    case .restarting: self = .restarting
    case .exited(let exit), .lost(let exit):
      // A row that has exited and a later exit record: a run that began and ended while no service looked.
      let isKnown = record.state != .exited || record.finishedAt == Int64(clamping: exit.at)
      self = isKnown ? .exited : .exitedAgain
    }
  }
}

extension ContainerRecord {
  fileprivate mutating func begin(pid: Int32, at time: Int64) {
    state = .running
    self.pid = pid
    startedAt = time
    exit = nil
    finishedAt = nil
    isLost = false
    if health != nil { health = .starting }
  }

  fileprivate mutating func end(_ state: ContainerState, _ exit: ExitStatus) {
    self.state = state
    pid = nil
    self.exit = exit.recorded
    finishedAt = exit.at
    isLost = exit.isLost
  }
}
