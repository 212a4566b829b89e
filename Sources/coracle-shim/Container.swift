import CLinux

/// One container from its first start to its exit record, with all that its restart rule starts again.
struct Container {
  private let request: Request
  private let status: StatusSocket
  private let host: HostSide
  private let terminate: CInt
  private var life: Life
  private var log: OutputLog
  private var isOwnerGone = false

  /// Takes the lock and begins the first life.
  init(_ request: Request, _ status: StatusSocket, spare: Spare? = nil) throws(Failure) {
    self.request = request
    self.status = status
    try check(CLINUX_STEP_CHDIR, chdir(request.runDirectory))
    try RunFiles.lock()
    log = try OutputLog(request)
    terminate = try check(CLINUX_STEP_SIGNAL, clinux_terminate_signalfd())
    host = try HostSide(request)
    life = try Life(request, host, isRestart: false, spare: spare)
  }

  mutating func run() {
    guard start() else { return }
    var restarts = Restarts()
    restarts.began()
    var waitStatus = follow()
    var lives = true
    while let pause = restarts.pause(after: waitStatus) {
      let now = clinux_now()
      if !RunFiles.appendEnded(waitStatus: waitStatus, at: now, until: now + pause, lostBytes: log.lostInAll)
      {
        break
      }
      if lives {
        RunFiles.removePid()
        life.bury()
        lives = false
      }
      guard wait(nanoseconds: pause), restarts.areAllowed else { break }
      if let exitCode = startAgain() {
        waitStatus = exitCode << 8
        continue
      }
      restarts.began()
      lives = true
      waitStatus = follow()
    }
    end(waitStatus, lives: lives)
  }

  /// The container's own and those it joined: what an exec session joins.
  private var namespaces: UInt64 { request.namespaces | host.joinedKinds }

  /// The first start, which a service waits for.
  ///
  /// - Returns: whether the command was executed.
  private mutating func start() -> Bool {
    do throws(Failure) {
      try RunFiles.writePid(shim: getpid(), first: life.first, namespaces: namespaces)
      if host.makesNetwork { status.cloned(pid: life.first) }
      try life.prepare()
    } catch {
      // A container that no other service could find must not run: its child still waits for the start.
      life.abandon()
      RunFiles.removePid()
      status.fail(error)
      return false
    }
    if let report = life.failure() {
      failed(report)
      return false
    }
    status.started(pid: life.first)
    request.releaseMemory()
    return true
  }

  /// The child reported an operation that failed, and exits.
  private mutating func failed(_ report: clinux_report) {
    _ = life.end()
    if report.step == CLINUX_STEP_EXECVE.rawValue {
      // The shells' convention: 127 is a command that is not there, 126 one that cannot be executed.
      try? RunFiles.writeExit(waitStatus: Child.exitCode(forExec: report.error) << 8, lostBytes: 0)
    } else {
      RunFiles.removePid()
    }
    life.bury()
    status.send(report)
  }

  /// A start by the restart rule. One that fails counts as an end.
  ///
  /// - Returns: nil when the command was executed; else the exit code that says what has failed, as shells and engines have it.
  private mutating func startAgain() -> CInt? {
    do throws(Failure) {
      life = try Life(request, host, isRestart: true)
    } catch {
      return Self.startFailed
    }
    do throws(Failure) { try life.prepare() } catch {
      life.abandon()
      return Self.startFailed
    }
    if let report = life.failure() {
      life.bury()
      return report.step == CLINUX_STEP_EXECVE.rawValue
        ? Child.exitCode(forExec: report.error) : Self.startFailed
    }
    guard tellOfRestart() else {
      // Nobody could find it, signal it or stop it.
      life.kill()
      _ = life.end()
      life.bury()
      return Self.startFailed
    }
    request.releaseMemory()
    return nil
  }

  private func tellOfRestart() -> Bool {
    guard RunFiles.appendStarted(pid: life.first) else { return false }
    do throws(Failure) {
      try RunFiles.writePid(shim: getpid(), first: life.first, namespaces: namespaces)
      return true
    } catch {
      return false
    }
  }

  private static var startFailed: CInt { 125 }

  /// Serves the container until its first process ends.
  private mutating func follow() -> CInt {
    var poll = PollSet()
    var isIdle = false
    while true {
      poll.clear()
      poll.add(life.pidfd, POLLIN)
      poll.add(terminate, POLLIN)
      if isOwned { poll.add(status.descriptor, 0) }
      life.output.addTo(&poll)
      life.input.addTo(&poll)
      // A quiet moment, and the memory that start or a burst of output needed is given back.
      let ready = poll.wait(milliseconds: !isIdle ? 50 : life.input.isShort ? 1000 : -1)
      if ready == 0 {
        isIdle = true
        life.output.releaseMemory()
        clinux_release_program()
        continue
      }
      isIdle = false
      if poll.isReady(terminate), clinux_signalfd_take(terminate) == 1 {
        _ = clinux_pidfd_signal(life.pidfd, SIGTERM)
      }
      if isOwned, poll.isReady(status.descriptor) { ownerIsGone() }
      life.output.drain(poll, to: &log)
      life.input.relay(poll)
      if poll.isReady(life.pidfd) { break }
    }
    // The first process stays a zombie, and its pid its own, until the exit record is there: who finds the pid and no
    // exit record has found this container.
    let waitStatus = life.end()
    life.output.drainRest(to: &log)
    log.finish()
    return waitStatus
  }

  /// Whether the container goes with the session that started it.
  private var isOwned: Bool { request.flags & CLINUX_REQUEST_SESSION.rawValue != 0 && !isOwnerGone }

  private mutating func ownerIsGone() {
    isOwnerGone = true
    RunFiles.removeRestartRule()
    life.kill()
  }

  /// The pause before a restart.
  ///
  /// - Returns: false when it was called off.
  private mutating func wait(nanoseconds: UInt64) -> Bool {
    let end = clinux_boot_time() + nanoseconds
    clinux_release_program()
    while true {
      let now = clinux_boot_time()
      if now >= end { return true }
      var poll = PollSet()
      poll.clear()
      poll.add(terminate, POLLIN)
      if isOwned { poll.add(status.descriptor, 0) }
      _ = poll.wait(milliseconds: CInt(truncatingIfNeeded: min((end - now) / 1_000_000 + 1, 60_000)))
      if poll.isReady(terminate), clinux_signalfd_take(terminate) == 1 { return false }
      if isOwned, poll.isReady(status.descriptor) {
        isOwnerGone = true
        RunFiles.removeRestartRule()
        return false
      }
    }
  }

  /// Writes the exit record.
  ///
  /// - Parameter lives: whether the first process is still to be buried.
  private mutating func end(_ waitStatus: CInt, lives: Bool) {
    if lives { life.input.removeSocket() }
    do throws(Failure) {
      try RunFiles.writeExit(waitStatus: waitStatus, lostBytes: log.lostInAll)
    } catch {
      // With run/ full there is no exit record, and the next service to look records the loss.
    }
    status.finish()
    // By hand, because at the end of a process its lock goes first: so a free lock says that the mounts are gone.
    if lives { life.bury() }
  }
}

/// Reads until the end or `count` bytes; answers how many there were, 0 also on failure.
func readFully(_ descriptor: CInt, _ buffer: UnsafeMutableRawPointer, _ count: Int) -> Int {
  var done = 0
  while done < count {
    let result = read(descriptor, buffer + done, count - done)
    if result < 0 && clinux_errno() == EINTR { continue }
    if result <= 0 { break }
    done += result
  }
  return done
}
