import CLinux

/// One container from `clone3` to its exit record.
struct Container {
  private let request: Request
  private let status: StatusSocket
  private let first: pid_t
  private let pidfd: CInt
  /// What the child says when an operation fails; its end, by exec, says that none did.
  private let failures: CInt
  private let terminate: CInt
  private var mounts: CInt = -1
  private var log: OutputLog
  private var input: InputRelay
  private var output: OutputDrain

  /// Takes the lock, makes the pipes and clones the container's process, which goes on to execute the plan.
  init(_ request: Request, _ status: StatusSocket) throws(Failure) {
    self.request = request
    self.status = status
    try check(CLINUX_STEP_CHDIR, chdir(request.runDirectory))
    let endedWell = try RunFiles.lock()
    log = try OutputLog(path: request.log, isWhole: endedWell)
    let stdinOpen = request.flags & CLINUX_REQUEST_STDIN_OPEN.rawValue != 0
    let stdin = try stdinOpen ? Pipe() : Pipe(readEnd: "/dev/null")
    let stdout = try Pipe()
    let stderr = try Pipe()
    let errors = try Pipe()
    terminate = try check(CLINUX_STEP_SIGNAL, clinux_terminate_signalfd())

    var pidfd: CInt = -1
    first = try check(CLINUX_STEP_CLONE, clinux_clone3(request.namespaces, &pidfd))
    if first == 0 {
      Child(request, errors: errors.writeEnd).run(
        stdin: stdin.readEnd, stdout: stdout.writeEnd, stderr: stderr.writeEnd)
    }
    self.pidfd = pidfd
    failures = errors.readEnd
    for end in [stdin.readEnd, stdout.writeEnd, stderr.writeEnd, errors.writeEnd] { _ = close(end) }
    output = OutputDrain(stdout: stdout.readEnd, stderr: stderr.readEnd)
    input = InputRelay(pipe: stdin.writeEnd)
  }

  mutating func run() {
    // While the child mounts: this costs the start nothing.
    var prepared: Failure?
    mounts = RunFiles.holdMountNamespace(of: first)
    do throws(Failure) {
      try RunFiles.writePid(shim: getpid(), first: first, namespaces: request.namespaces)
      try input.listen()
    } catch { prepared = error }
    _ = output.becomeNonBlocking()

    if let prepared {
      // A container that no other service could find must not run: its child still waits for the start.
      _ = clinux_pidfd_signal(pidfd, SIGKILL)
      var waitStatus: CInt = 0
      _ = clinux_wait_pidfd(pidfd, &waitStatus, 0, 0)
      input.removeSocket()
      RunFiles.removePid()
      status.fail(prepared)
      return
    }
    var report = clinux_report()
    let count = readFully(failures, &report, MemoryLayout<clinux_report>.size)
    _ = close(failures)
    if count > 0 {
      failed(report)
      return
    }
    status.started(pid: first)
    request.release()
    follow()
  }

  /// The child reported an operation that failed, and exits.
  private mutating func failed(_ report: clinux_report) {
    var waitStatus: CInt = 0
    _ = clinux_wait_pidfd(pidfd, &waitStatus, 1, 0)
    if report.step == CLINUX_STEP_EXECVE.rawValue {
      // The shells' convention: 127 is a command that is not there, 126 one that cannot be executed.
      try? RunFiles.writeExit(waitStatus: Child.exitCode(forExec: report.error) << 8, lostBytes: 0)
    } else {
      RunFiles.removePid()
    }
    input.removeSocket()
    status.send(report)
  }

  private mutating func follow() {
    var poll = PollSet()
    var isIdle = false
    while true {
      poll.clear()
      poll.add(pidfd, POLLIN)
      poll.add(terminate, POLLIN)
      output.addTo(&poll)
      input.addTo(&poll)
      // A quiet moment, and the memory that start or a burst of output needed is given back.
      let ready = poll.wait(milliseconds: isIdle ? -1 : 50)
      if ready == 0 {
        isIdle = true
        output.releaseMemory()
        clinux_release_program()
        continue
      }
      isIdle = false
      if poll.isReady(terminate), clinux_signalfd_take(terminate) == 1 {
        _ = clinux_pidfd_signal(pidfd, SIGTERM)
      }
      output.drain(poll, to: &log)
      input.relay(poll)
      if poll.isReady(pidfd) { break }
    }
    // The first process stays a zombie, and its pid its own, until the exit record is there: who finds the pid and no
    // exit record has found this container.
    var waitStatus: CInt = 0
    _ = clinux_wait_pidfd(pidfd, &waitStatus, 1, 0)
    output.drainRest(to: &log)
    log.finish()
    input.removeSocket()
    do throws(Failure) {
      try RunFiles.writeExit(waitStatus: waitStatus, lostBytes: log.lostInAll)
    } catch {
      // With run/ full there is no exit record, and the next service to look records the loss.
    }
    // Its end is how the service that started the container hears of the exit, before the mounts are taken down.
    _ = close(status.descriptor)
    _ = clinux_wait_pidfd(pidfd, &waitStatus, 0, 0)
    // By hand, because at the end of a process its lock goes first: so a free lock says that the mounts are gone.
    _ = close(mounts)
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
