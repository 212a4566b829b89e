import CLinux

/// One first process of a container, from `clone3` to its end. A container that starts again by itself has several, one
/// after the other.
struct Life {
  let first: pid_t
  let pidfd: CInt
  /// What the child says when an operation fails; its end, by exec, says that none did.
  let failures: CInt
  var input: InputRelay
  var output: OutputDrain
  private let streams: Streams
  private var terminal: Terminal?
  private var mounts: CInt = -1
  /// Whether the kernel kills what is left of the container when its first process ends.
  private let hasOwnPids: Bool
  private var groups: Groups

  /// Makes the pipes and clones the container's process, which goes on to execute the plan.
  ///
  /// - Parameter spare: has the process already.
  init(_ request: Request, _ host: HostSide, isRestart: Bool, spare: Spare? = nil) throws(Failure) {
    let streams = try Streams(request)
    self.streams = streams
    hasOwnPids = request.namespaces & 0x2000_0000 != 0  // CLONE_NEWPID
    var hostMounts: HostMounts
    do throws(Failure) { hostMounts = try HostMounts(request, host) } catch {
      streams.close()
      throw error
    }
    if let spare {
      groups = Groups()
      (first, pidfd, failures) = (spare.first, spare.pidfd, spare.failures)
      try spare.give(streams, hostMounts)
      // It is awaited, and what this process has to do now is not: on one processor it goes first.
      clinux_yield()
      hostMounts.close()
      streams.closeTheirs()
      output = OutputDrain(stdout: streams.stdout, stderr: streams.stderr)
      input = InputRelay(request, target: streams.input)
      return
    }
    if host.userNamespace >= 0 { streams.give(user: host.rootUser, group: host.rootGroup) }
    var errors = Pipe.none
    var groups = Groups()
    var pidfd: CInt = -1
    do throws(Failure) {
      errors = try Pipe()
      // Before a restart also a group that a service has made since.
      if isRestart || request.flags & CLINUX_REQUEST_GROUPS.rawValue != 0 { groups = try Groups(in: "") }
      first = try host.clone(groups.namespaces(request.namespaces), &pidfd, group: groups.unified)
    } catch {
      // The same shim tries again, and again.
      hostMounts.close()
      streams.close()
      errors.close()
      groups.close()
      throw error
    }
    self.groups = groups
    if first == 0 {
      var child = Child(request, errors: errors.writeEnd, isRestart: isRestart)
      groups.tell(&child, request.namespaces)
      streams.run(child, hostMounts)
    }
    hostMounts.close()
    self.pidfd = pidfd
    failures = errors.readEnd
    streams.closeTheirs()
    _ = close(errors.writeEnd)
    output = OutputDrain(stdout: streams.stdout, stderr: streams.stderr)
    input = InputRelay(request, target: streams.input)
  }

  /// While the child mounts: this costs the start nothing.
  mutating func prepare() throws(Failure) {
    mounts = RunFiles.holdMountNamespace(of: first)
    try input.listen()
    try output.begin()
    try groups.join(first)
    groups.close()
  }

  /// Waits for the child's word.
  ///
  /// - Returns: the failed operation, after which the child exits; nil when the command was executed.
  mutating func failure() -> clinux_report? {
    var report = clinux_report()
    let count = readFully(failures, &report, MemoryLayout<clinux_report>.size)
    _ = close(failures)
    if count > 0 {
      streams.closeConsole()
      return report
    }
    terminal = streams.takeTerminal()
    if let terminal {
      output.begin(terminal: terminal.output)
      input.begin(terminal: terminal.input)
    }
    return nil
  }

  func kill() { _ = clinux_pidfd_signal(pidfd, SIGKILL) }

  /// Takes down one whose process waits for its start, in the place of `failure` and all that follows.
  mutating func abandon() {
    kill()
    _ = close(failures)
    streams.closeConsole()
    groups.close()
    bury()
  }

  /// Waits for the end, and ends what is left; the process stays a zombie, and its pid its own, until `bury`.
  func end() -> CInt {
    var waitStatus: CInt = 0
    _ = clinux_wait_pidfd(pidfd, &waitStatus, 1, 0)
    if !hasOwnPids { Leftovers.kill(in: mounts) }
    return waitStatus
  }

  /// Takes down all that there was of an ended one, its mounts last.
  mutating func bury() {
    input.finish()
    input.removeSocket()
    output.finish()
    if let terminal { _ = close(terminal.slave) }
    terminal = nil
    var waitStatus: CInt = 0
    _ = clinux_wait_pidfd(pidfd, &waitStatus, 0, 0)
    _ = close(pidfd)
    if mounts >= 0 { _ = close(mounts) }
    mounts = -1
  }
}
