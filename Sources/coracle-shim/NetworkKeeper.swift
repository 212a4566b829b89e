import CLinux

/// Holds the network namespace that all networks of an ordinary user are in, with its way to the outside as a child in the
/// host's network.
///
/// It is in that namespace itself, where others find it by the pid that the lock `lock` names. It ends when nobody has had
/// the FIFO `users` open for a while, and with its child.
struct NetworkKeeper {
  /// Of the last user's end, in ms: who starts one short container after the other does not wait for a new one each time.
  private static var patience: CInt { 10_000 }
  /// Without waiting for the first user.
  private static var waiting: CInt { O_RDONLY | O_NONBLOCK | O_CLOEXEC }
  private let users: CInt
  private var uplink: CInt = -1

  init(_ request: Request, _ status: StatusSocket) throws(Failure) {
    try check(CLINUX_STEP_CHDIR, chdir(request.runDirectory))
    let lock = try check(CLINUX_STEP_OPEN, clinux_open("lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600))
    try check(CLINUX_STEP_LOCK, clinux_lock_for_life(lock))
    // It gets its name `users` from the service, when the program is ready; or has it already, where that is not waited for. That of
    // a keeper before this one is there under either name: shims open it once, and count as users of this one then.
    let named = clinux_open("users", Self.waiting, 0)
    if named < 0 {
      if mkfifo("starting", 0o600) != 0, clinux_errno() != EEXIST { throw Failure(CLINUX_STEP_MKNOD) }
      users = try check(CLINUX_STEP_OPEN, clinux_open("starting", Self.waiting, 0))
    } else {
      users = named
    }
    let pid = try startUplink(request)
    uplink = try check(CLINUX_STEP_CLONE, clinux_pidfd_open(pid))
    _ = close(CInt(CLINUX_SHIM_TARGET.rawValue))
    try check(CLINUX_STEP_SETNS, clinux_setns(CInt(CLINUX_FORWARDER_NETWORK), 0x4000_0000))  // CLONE_NEWNET
    _ = clinux_prctl(38, 1, 0)  // PR_SET_NO_NEW_PRIVS
    try check(CLINUX_STEP_CAPSET, clinux_capset(0, 0, 0))
    status.started(pid: pid)
    _ = close(status.descriptor)
  }

  /// Its standard input is the namespace, and its output what this has as its target.
  private func startUplink(_ request: Request) throws(Failure) -> pid_t {
    let pid = try check(CLINUX_STEP_FORK, clinux_fork())
    if pid > 0 { return pid }
    do throws(Failure) { try NetworkUplink(request).run() } catch { _exit(127) }
  }

  func run() -> Never {
    var poll = PollSet()
    var isUsed = true
    clinux_release_program()
    while true {
      poll.clear()
      poll.add(uplink, POLLIN)
      // Where nobody has it open, that is told again and again.
      if isUsed { poll.add(users, 0) }
      let ready = poll.wait(milliseconds: isUsed ? -1 : Self.patience)
      if ready > 0, poll.isReady(uplink) { _exit(0) }
      if isUsed {
        isUsed = false
      } else {
        endIfUnused()
        isUsed = true
      }
    }
  }

  /// Who comes meanwhile holds the lock, and then the FIFO.
  private func endIfUnused() {
    let change = clinux_open("change.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    if change >= 0 {
      guard clinux_try_lock(change) == 0 else {
        _ = close(change)
        return
      }
      var poll = PollSet()
      poll.clear()
      poll.add(users, 0)
      guard poll.wait(milliseconds: 0) > 0 else {
        _ = close(change)
        return
      }
    } else if clinux_errno() != ENOENT {
      return
    }
    // Else its directory is gone, where nobody finds it any more.
    _ = unlink("users")
    _ = clinux_pidfd_signal(uplink, SIGTERM)
    _exit(0)
  }
}
