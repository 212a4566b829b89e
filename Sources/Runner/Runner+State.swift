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

extension Runner {
  /// Looks at the exit record and the life lock. The first to find a lost shim records the loss, and kills what it left.
  package func state(_ id: String) throws(EngineError) -> RunnerState {
    do {
      // A container that ends between two looks is looked at again; the exit record comes before the lock is free.
      for _ in 0..<16 {
        if let record = try exitRecord(id) { return record.shimLost ? .lost(record) : .exited(record) }
        switch try LifeLock.holder(of: directory(of: id).appending(RunFiles.lock)) {
        case nil:
          return .absent
        case .process, .elsewhere:
          guard let named = try namedProcess(id) else {
            return try hasRestarted(id) ? .restarting : .absent
          }
          return isPaused(id) ? .paused(pid: named.pid) : .running(pid: named.pid)
        case .nobody:
          if try exitRecord(id) != nil { continue }
          // Named processes only: a shim that failed to start has taken its pid file back.
          guard let named = try namedProcess(id) else { return .absent }
          // Where it is removed meanwhile, its end was known.
          do { try recordLoss(id, of: named) } catch Errno.noSuchFileOrDirectory { continue }
        }
      }
      throw EngineError(.conflict, "cannot tell the state of container \(id): it keeps changing", subject: id)
    } catch {
      throw EngineError("look at container \(id)", wrapping: error, subject: id)
    }
  }

  /// A shim that has just begun removes what an earlier one wrote.
  private func hasRestarted(_ id: String) throws -> Bool {
    directory(of: id).appending(RunFiles.lives).withPlatformString { access($0, F_OK) } == 0
  }

  func exitRecord(_ id: String) throws -> ExitRecord? {
    guard let values = try RunFiles.read(directory(of: id).appending(RunFiles.exit)) else { return nil }
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
    guard let values = try RunFiles.read(directory(of: id).appending(RunFiles.pid)) else { return nil }
    guard let shim = values["shim"], let pid = values["init"], let start = values["start"],
      let namespaces = values["namespaces"], let shim = Int32(exactly: shim), let pid = Int32(exactly: pid)
    else { throw EngineError(.corrupt, "cannot read the pid file of container \(id)", subject: id) }
    return NamedProcess(
      shim: shim, pid: pid, startTime: start, namespaces: LaunchPlan.Namespaces(rawValue: namespaces))
  }

  /// The kernel kills the first process with its shim, unless it changed its credentials since: then this does.
  private func recordLoss(_ id: String, of named: NamedProcess) throws {
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
    try RunFiles.write(
      directory(of: id).appending(RunFiles.exit),
      [
        ("wait", UInt64(SIGKILL)), ("at", UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)),
        ("lost", 1),
      ])
  }
}
