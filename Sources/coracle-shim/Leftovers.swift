import CLinux

/// What a container without a pid namespace of its own leaves behind when its first process has ended: with one, the kernel
/// kills them all.
///
/// They are known by their mount namespace, which is this container's alone. A process leaves that only with CAP_SYS_ADMIN,
/// and is then found in the container's control group by the service that removes it, where there is one.
enum Leftovers {
  /// Kills them, and waits for their ends for a while.
  ///
  /// - Parameter mounts: the container's mount namespace; -1 where /proc did not let it be held, and then nobody is found.
  static func kill(in mounts: CInt) {
    guard mounts >= 0 else { return }
    // Each look finds what was forked during the one before. Who forks faster than it is killed is not hunted for ever.
    for _ in 0..<256 {
      if !killOnce(mounts) { return }
    }
  }

  /// - Returns: whether there was any.
  private static func killOnce(_ mounts: CInt) -> Bool {
    guard let processes = clinux_open_processes() else { return false }
    defer { clinux_close_processes(processes) }
    var last: CInt = -1
    while true {
      let pid = clinux_next_process(processes)
      if pid <= 0 { break }
      let process = clinux_pidfd_open(pid)
      if process < 0 { continue }
      var path = SmallText()
      path.add("/proc/")
      path.add(UInt64(pid))
      path.add("/ns/mnt")
      // Looked at with the descriptor open: it is of that process and not of a later one with its number.
      guard path.withCString({ clinux_is_same_file(mounts, $0) }) == 1,
        clinux_pidfd_signal(process, SIGKILL) == 0
      else {
        _ = close(process)
        continue
      }
      if last >= 0 { _ = close(last) }
      last = process
    }
    guard last >= 0 else { return false }
    var poll = PollSet()
    poll.clear()
    poll.add(last, POLLIN)
    _ = poll.wait(milliseconds: 100)
    _ = close(last)
    return true
  }
}
