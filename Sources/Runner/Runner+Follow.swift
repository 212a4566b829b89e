package import EngineErrors
import Glibc
import LinuxSystem
internal import SystemPackage

extension Runner {
  /// A shim that has written an exit record, or has gone, while somebody looks at it. With the value's end it takes down the
  /// container's mounts, some milliseconds after its own at the latest, and the next spare is made: neither is to take the time
  /// of who looks.
  package final class EndedShim: Sendable {
    private let channel: StatusChannel?
    private let spare: SpareShim

    fileprivate init(_ channel: StatusChannel?, _ spare: SpareShim) {
      self.channel = channel
      self.spare = spare
    }

    deinit { if channel != nil { spare.replenish() } }
  }

  /// Waits for the container's end, whichever service started it.
  ///
  /// - Throws: `EngineError.notFound` if it was never started; `cancelled` as soon as the task is cancelled.
  package func waitForExit(_ id: String) async throws(EngineError) -> ExitRecord {
    do {
      var ended: EndedShim?
      defer { withExtendedLifetime(ended) {} }
      while true {
        switch try state(id) {
        case .exited(let record), .lost(let record): return record
        case .absent:
          throw EngineError(.notFound, "cannot wait for container \(id): it was not started", subject: id)
        case .running, .paused, .restarting: ended = try await untilItEnds(id)
        }
      }
    } catch {
      throw EngineError("wait for container \(id)", wrapping: error, subject: id)
    }
  }

  /// Returns when a container that was just seen running has ended: then there is its exit record, or will be a loss to record.
  /// Looks at nothing, so it can return too early once.
  ///
  /// - Throws: `cancelled` as soon as the task is cancelled.
  package func waitForEnd(_ id: String) async throws(EngineError) -> EndedShim {
    do { return try await untilItEnds(id) } catch {
      throw EngineError("wait for container \(id)", wrapping: error, subject: id)
    }
  }

  private func untilItEnds(_ id: String) async throws -> EndedShim {
    guard let end = try lifeEnd(id) else { return EndedShim(nil, spare) }
    try await DescriptorWatcher.shared.readable(end.descriptor)
    guard case .channel(let channel) = end else { return EndedShim(nil, spare) }
    ownShims.remove(channel, for: id)
    return EndedShim(channel, spare)
  }

  /// Sends a signal to the container's first process; with `SIGKILL` one that is held goes on, to end.
  ///
  /// - Throws: `EngineError.conflict` if it is not running.
  package func signal(_ id: String, _ signal: Int32) throws(EngineError) {
    do {
      try firstProcess(id).process.signal(signal)
      // v1's freezer keeps even what is killed.
      if signal == SIGKILL, isFrozen(id) { unpause(id) }
    } catch let error as SystemError where error.errno == .noSuchProcess {
      throw notRunning("signal", id)
    } catch {
      throw EngineError("signal container \(id)", wrapping: error, subject: id)
    }
  }

  /// Kills a container that is to be removed, and returns when its shim has ended and its mounts are gone, but for what is
  /// returned. For one without a restart rule.
  ///
  /// - Throws: `EngineError.conflict` if it is not running; `cancelled` as soon as the task is cancelled, with the signal sent.
  package func end(_ id: String) async throws(EngineError) -> HeldRoot? {
    do {
      let (process, named, shim) = try firstProcess(id)
      let root = HeldRoot(of: named.pid)
      try process.signal(SIGKILL)
      // v1's freezer keeps even what is killed.
      if isFrozen(id) { unpause(id) }
      try await DescriptorWatcher.shared.readable(shim.descriptor)
      return root
    } catch let error as SystemError where error.errno == .noSuchProcess {
      throw notRunning("kill", id)
    } catch {
      throw EngineError("kill container \(id)", wrapping: error, subject: id)
    }
  }

  /// Waits for the shim of a container that has an exit record, while it takes down the mounts: a moment.
  func settle(_ id: String) async throws {
    guard try exitRecord(id) != nil, let shim = try runningShim(id) else { return }
    try await DescriptorWatcher.shared.readable(shim.descriptor)
  }

  /// The shim that holds the lock; nil if it has just ended.
  ///
  /// - Throws: `EngineError.unsupported` if it runs in another pid namespace, where this process cannot name it.
  func runningShim(_ id: String) throws -> ProcessDescriptor? {
    let lock = file(RunFiles.lock, of: id)
    let holder = try LifeLock.holder(of: lock)
    if holder == .elsewhere {
      throw EngineError(
        .unsupported, "cannot follow container \(id): its shim runs in another pid namespace", subject: id)
    }
    guard case .process(let pid) = holder, let process = try? ProcessDescriptor(pid: pid) else { return nil }
    // Still the holder: so the descriptor is of that process and not of a later one with its number.
    return try LifeLock.holder(of: lock) == .process(pid) ? process : nil
  }

  /// The container's first process by descriptor, surely that one: the shim lives, and keeps it as a zombie until the
  /// exit record is there.
  func firstProcess(_ id: String) throws -> (
    process: ProcessDescriptor, named: NamedProcess, shim: ProcessDescriptor
  ) {
    guard let shim = try runningShim(id), let named = try namedProcess(id),
      let process = try? ProcessDescriptor(pid: named.pid), try exitRecord(id) == nil
    else { throw notRunning("reach", id) }
    // With the same shim alive after all that, none of it was of another run.
    guard case .process(named.shim) = try LifeLock.holder(of: file(RunFiles.lock, of: id))
    else {
      throw notRunning("reach", id)
    }
    return (process, named, shim)
  }

  func notRunning(_ verb: String, _ id: String) -> EngineError {
    EngineError(.conflict, "cannot \(verb) container \(id): it is not running", subject: id)
  }
}
