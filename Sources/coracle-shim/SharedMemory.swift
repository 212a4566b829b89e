import CLinux

/// The directory of POSIX shared memory of another container, whose IPC namespace is joined.
///
/// Its mount is in the other one's mount namespace: the container's process goes there, with the privilege that it has while it
/// mounts, and comes back. So nothing of the other one is held, and an ordinary user's process can as well as root's.
enum SharedMemory {
  static func clone(_ path: CString, of process: pid_t, isRestart: Bool) throws(Failure) -> CInt {
    let mount = clinux_clone_shared(process, path)
    if mount >= 0 { return mount }
    let failure = Failure(CLINUX_STEP_OPEN_TREE)
    // Of an end of the other one the restart rule knows nothing: there is nobody left to share with.
    guard isRestart, failure.error == ESRCH || failure.error == ENOENT else { throw failure }
    return try empty()
  }

  private static func empty() throws(Failure) -> CInt {
    let context = try check(CLINUX_STEP_FSOPEN, clinux_fsopen("tmpfs"))
    defer { _ = close(context) }
    try check(CLINUX_STEP_FSCONFIG, clinux_fsconfig(context, "mode", "1777"))
    try check(CLINUX_STEP_FSCONFIG, clinux_fsconfig(context, "size", "65536k"))
    try check(CLINUX_STEP_FSCONFIG, clinux_fsconfig_create(context))
    return try check(CLINUX_STEP_FSMOUNT, clinux_fsmount(context, 0))
  }
}
