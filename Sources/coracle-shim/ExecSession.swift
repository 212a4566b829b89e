import CLinux

/// A second command in a running container, with the service's own pipes as its streams.
struct ExecSession {
  private let request: Request
  private let status: StatusSocket

  init(_ request: Request, _ status: StatusSocket) {
    self.request = request
    self.status = status
  }

  /// Joins the namespaces, clones the command (a pid namespace takes children only), and waits for its end or for the
  /// service to hang up, which kills the command and its process group unless it was left to this process before.
  func run() throws(Failure) {
    let target = CInt(CLINUX_SHIM_TARGET.rawValue)
    // By their paths on the host.
    var groups = try groups()
    if request.namespaces != 0 {
      // With a user namespace among them the kernel joins it first.
      try check(CLINUX_STEP_SETNS, clinux_setns(target, request.namespaces))
    }
    _ = close(target)
    let errors = try Pipe()
    var pidfd: CInt = -1
    let child = try check(CLINUX_STEP_CLONE, clinux_clone3(0, &pidfd, groups.unified))
    if child == 0 {
      _ = clinux_setsid()
      var command = Child(request, errors: errors.writeEnd)
      groups.tell(&command, 0)
      command.run(stdin: 0, stdout: 1, stderr: 2)
    }
    do throws(Failure) { try groups.join(child) } catch {
      _ = clinux_pidfd_signal(pidfd, SIGKILL)
      throw error
    }
    groups.close()
    // The streams are the command's: their end must be seen when it ends, not when this process does.
    for descriptor in [0, 1, 2, errors.writeEnd] { _ = close(descriptor) }
    var report = clinux_report()
    if readFully(errors.readEnd, &report, MemoryLayout<clinux_report>.size) > 0 {
      status.send(report)
      return
    }
    status.started(pid: child)
    if !follow(pidfd) { _ = kill(-child, SIGKILL) }
    var waitStatus: CInt = 0
    // Reported before it is reaped: until the service has the report, the pid is still the command's.
    _ = clinux_wait_pidfd(pidfd, &waitStatus, 1, 0)
    status.ended(waitStatus: waitStatus)
    _ = clinux_wait_pidfd(pidfd, &waitStatus, 0, 0)
  }

  /// Returns when the command has ended, or the service has; true for the first. A service that leaves the command to this
  /// process sends what its output is read from, and from then on that is read and dropped.
  private func follow(_ pidfd: CInt) -> Bool {
    var output: InlineArray<2, CInt> = InlineArray(repeating: -1)
    var isLeft = false
    var poll = PollSet()
    while true {
      poll.clear()
      poll.add(pidfd, POLLIN)
      if !isLeft { poll.add(status.descriptor, POLLIN) }
      for index in output.indices { poll.add(output[index], POLLIN) }
      _ = poll.wait(milliseconds: -1)
      if poll.isReady(pidfd) { return true }
      if !isLeft, poll.isReady(status.descriptor) {
        let count = withUnsafeMutableBytes(of: &output) {
          clinux_receive_descriptors(
            status.descriptor, $0.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: CInt.self), 2)
        }
        if count <= 0 { return false }
        isLeft = true
        continue
      }
      for index in output.indices where poll.isReady(output[index]) {
        if !drop(output[index]) { output[index] = -1 }
      }
    }
  }

  /// One read.
  ///
  /// - Returns: false at the end, and then it is closed.
  private func drop(_ output: CInt) -> Bool {
    var bytes: InlineArray<4096, UInt8> = InlineArray(repeating: 0)
    let count = withUnsafeMutableBytes(of: &bytes) { read(output, $0.baseAddress, 4096) }
    if count > 0 || (count < 0 && (clinux_errno() == EINTR || clinux_errno() == EAGAIN)) { return true }
    _ = close(output)
    return false
  }

  private func groups() throws(Failure) -> Groups {
    var directory = PathText()
    defer { directory.deallocate() }
    directory.add(string: request.runDirectory)
    directory.add("/")
    return try Groups(in: directory.cString)
  }
}
