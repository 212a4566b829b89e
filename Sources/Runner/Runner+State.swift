package import EngineErrors
import Glibc
import LinuxSystem
internal import SystemPackage

/// What is true of a container now, as far as its run directory tells.
package enum RunnerState: Hashable, Sendable {
  /// The pid of its first process, as the host counts.
  case running(pid: Int32)
  /// The same, and its processes are held.
  case paused(pid: Int32)
  /// Its first process has ended, and its shim waits to start it again.
  case restarting
  case exited(ExitRecord)
  /// The shim, or the machine, ended without an exit record, and this has been recorded.
  case lost(ExitRecord)
  /// It was never started, or cleaned up.
  case absent
}

/// One look at a container's run directory.
package struct RunnerLook: Hashable, Sendable {
  package var state: RunnerState
  /// How much its shim has written about restarts, in bytes.
  package var livesSize: Int64 = 0
}

extension Runner {
  package func state(_ id: String) throws(EngineError) -> RunnerState { try look(id).state }

  /// Looks at the exit record and the life lock. The first to find a lost shim records the loss, and kills what it left.
  ///
  /// - Parameter pid: what the caller takes for that of a running one's first process; it is read where nil.
  package func look(_ id: String, taking pid: Int32? = nil) throws(EngineError) -> RunnerLook {
    do {
      // A container that ends between two looks is looked at again; the exit record comes before the lock is free.
      for _ in 0..<16 {
        guard let directory = try RunDirectory.open(directory(of: id)) else {
          return RunnerLook(state: .absent)
        }
        if let state = try state(id, in: directory, taking: pid) {
          return RunnerLook(state: state, livesSize: directory.livesSize())
        }
      }
      throw EngineError(.conflict, "cannot tell the state of container \(id): it keeps changing", subject: id)
    } catch {
      throw EngineError("look at container \(id)", wrapping: error, subject: id)
    }
  }

  /// - Returns: nil where it has just ended.
  private func state(
    _ id: String, in directory: borrowing RunDirectory, taking pid: Int32?
  ) throws -> RunnerState? {
    if directory.has(.exit), let record = try exitRecord(id, in: directory) {
      return record.shimLost ? .lost(record) : .exited(record)
    }
    switch try directory.lockHolder() {
    case nil:
      return .absent
    case .process, .elsewhere:
      guard directory.has(.pid), let pid = try pid ?? namedProcess(id, in: directory)?.pid else {
        // A shim that has just begun removes what an earlier one wrote.
        return directory.has(.lives) ? .restarting : .absent
      }
      return directory.has(.paused) && isFrozen(id) ? .paused(pid: pid) : .running(pid: pid)
    case .nobody:
      // The record can have come behind the look at the directory.
      if try exitRecord(id, in: directory) != nil { return nil }
      // While it is cleaned up, its files go one after the other, and the next run may have a directory of this name already.
      let path = self.directory(of: id)
      guard directory.isNamed(by: path) else { return nil }
      // Named processes only: a shim that failed to start has taken its pid file back.
      guard let named = try namedProcess(id, in: directory) else { return .absent }
      try recordLoss(of: named, in: directory, path)
      return nil
    }
  }

  func exitRecord(_ id: String) throws -> ExitRecord? {
    guard let directory = try RunDirectory.open(directory(of: id)) else { return nil }
    return try exitRecord(id, in: directory)
  }

  private func exitRecord(_ id: String, in directory: borrowing RunDirectory) throws -> ExitRecord? {
    guard let values = try directory.numbers(RunFiles.exit) else { return nil }
    guard let at = values["at"], let wait = values["wait"] else {
      throw EngineError(.corrupt, "cannot read the exit record of container \(id)", subject: id)
    }
    return ExitRecord(
      status: ExitRecord.Status(WaitStatus(rawValue: CInt(truncatingIfNeeded: wait))), at: at,
      shimLost: values["lost"] == 1, lostOutput: values["lostoutput"] ?? 0)
  }

  /// What a shim wrote about its container's first process.
  struct NamedProcess {
    var shim: Int32
    var pid: Int32
    var startTime: UInt64
    var namespaces: LaunchPlan.Namespaces
  }

  func namedProcess(_ id: String) throws -> NamedProcess? {
    guard let directory = try RunDirectory.open(directory(of: id)) else { return nil }
    return try namedProcess(id, in: directory)
  }

  private func namedProcess(_ id: String, in directory: borrowing RunDirectory) throws -> NamedProcess? {
    guard let values = try directory.numbers(RunFiles.pid) else { return nil }
    guard let shim = values["shim"], let pid = values["init"], let start = values["start"],
      let namespaces = values["namespaces"], let shim = Int32(exactly: shim), let pid = Int32(exactly: pid)
    else { throw EngineError(.corrupt, "cannot read the pid file of container \(id)", subject: id) }
    return NamedProcess(
      shim: shim, pid: pid, startTime: start, namespaces: LaunchPlan.Namespaces(rawValue: namespaces))
  }

  /// The kernel kills the first process with its shim, unless it changed its credentials since: then this does. Of several that
  /// find the loss at once, one says when it was: another time would read as another run's end.
  private func recordLoss(
    of named: NamedProcess, in directory: borrowing RunDirectory, _ path: FilePath
  ) throws {
    if ProcessStatus(pid: named.pid)?.startTime == named.startTime,
      let process = try? ProcessDescriptor(pid: named.pid),
      ProcessStatus(pid: named.pid)?.startTime == named.startTime
    {
      try? process.signal(SIGKILL)
      // So that nothing of it runs once the loss is known; a process that cannot die is not waited for.
      var entry = pollfd(fd: process.descriptor.rawValue, events: Int16(POLLIN), revents: 0)
      _ = poll(&entry, 1, 5000)
    }
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    do {
      try RunFiles.write(
        directory.path(RunFiles.exit),
        [
          ("wait", UInt64(SIGKILL)), ("at", UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)),
          ("lost", 1),
        ], replacing: false)
    } catch {
      // Where it is removed meanwhile, its end was known.
      guard directory.isNamed(by: path) else { return }
      throw error
    }
  }
}
