import CLinux

/// A container's first process, or a further one, for the caller of an OCI runtime (`coracle-runtime`).
///
/// This program is then executed anew with the caller's 0, 1 and 2, and ends as soon as the process is cloned, as a child of
/// its own parent: when that one has ended too, the process is the caller's, through its subreaper.
struct RuntimeProcess {
  private let request: Request
  private let status: StatusSocket

  init(_ request: Request, _ status: StatusSocket) {
    self.request = request
    self.status = status
  }

  func run() throws(Failure) -> Never {
    _ = umask(0o077)
    // What the caller left open is for nobody in the container.
    _ = clinux_close_from(CUnsignedInt(CLINUX_SHIM_REQUEST.rawValue), 1)
    let isExec = request.mode == CLINUX_MODE_RUNTIME_EXEC.rawValue
    try check(CLINUX_STEP_CHDIR, chdir(request.runDirectory))
    // By their paths on the host.
    let groups = try request.flags & CLINUX_REQUEST_GROUPS.rawValue != 0 ? Groups(in: "") : Groups()
    var start: CInt = -1
    var mounts: HostMounts?
    if isExec {
      _ = clinux_set_dumpable(0)
      try join()
    } else {
      // Open for both, so that opening it waits for nobody, and before the root changes: no /proc is needed to reach it.
      start = try check(CLINUX_STEP_OPEN, clinux_open(CLINUX_START_FIFO, O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0))
      let host = try HostSide(request)
      mounts = try HostMounts(request, host)
      // Not before: an ordinary user's process could not map the ids of its child.
      _ = clinux_set_dumpable(0)
      try host.join()
    }
    let namespaces = isExec ? 0 : request.namespaces
    let process = try check(
      CLINUX_STEP_CLONE, clinux_clone_sibling(groups.namespaces(namespaces), groups.unified))
    if process == 0 {
      var child = Child(request, errors: status.descriptor)
      child.start = start
      groups.tell(&child, namespaces)
      child.runForCaller(mounts)
    }
    var report = clinux_report()
    report.kind = CLINUX_REPORT_CLONED.rawValue
    report.pid = process
    status.send(report)
    do throws(Failure) { try groups.join(process) } catch {
      _ = kill(process, SIGKILL)
      throw error
    }
    _exit(0)
  }

  private func join() throws(Failure) {
    let target = CInt(CLINUX_SHIM_TARGET.rawValue) + request.preserved
    if request.namespaces != 0 {
      try check(CLINUX_STEP_SETNS, clinux_setns(target, request.namespaces))
    }
    _ = close(target)
  }
}
