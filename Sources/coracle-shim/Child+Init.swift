import CLinux

/// The first process of a container that asked for one: it does what PID 1 has to and most programs do not.
extension Child {
  /// Returns in a child, which goes on to execute the command. The first process itself stays in here, with the payload's
  /// user and privileges, and ends with the command's exit code, or 128 and the number of the signal that ended it; the
  /// kernel then kills what is left in its pid namespace.
  mutating func reapOrphans() throws(Failure) {
    try seal()
    // What comes from now on waits, for the loop or for the command.
    _ = clinux_block_signals(1)
    // In a pid namespace of others the orphans would go to their first process.
    _ = clinux_prctl(36, 1, 0)  // PR_SET_CHILD_SUBREAPER
    let command = try check(CLINUX_STEP_FORK, clinux_fork())
    if command == 0 {
      // Else Ctrl-C would come to both, and from here to the command a second time.
      if hasTerminal { _ = clinux_take_foreground(0) }
      _ = clinux_block_signals(0)
      return
    }
    // The streams' ends and the failure pipe's are to be seen when the command is done with them.
    _ = clinux_close_from(0, 0)
    _ = clinux_set_name("coracle-init")
    while true {
      let signal = clinux_take_signal()
      if signal == SIGCHLD {
        reap(command)
      } else if signal > 0 {
        _ = kill(command, signal)
      }
    }
  }

  /// Takes the exit status of every child that has ended; one SIGCHLD may stand for several.
  private func reap(_ command: pid_t) {
    var status: CInt = 0
    while true {
      let pid = clinux_reap(&status)
      if pid == 0 { return }
      if pid == command { _exit(status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f)) }
    }
  }
}
