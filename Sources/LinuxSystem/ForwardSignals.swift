import CLinux
import Glibc

/// Waits for a child and reaps it. Signals to this process go on to the child meanwhile (kill(2)), but for those that are
/// about this process itself. Only while this process has one thread.
package func waitForwardingSignals(_ pid: CInt) throws(SystemError) -> WaitStatus {
  var all = sigset_t()
  sigfillset(&all)
  // A fault of this process's own, and its terminal.
  for own in [SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTTIN, SIGTTOU, SIGTSTP] { sigdelset(&all, own) }
  var before = sigset_t()
  try call("sigprocmask") { sigprocmask(SIG_BLOCK, &all, &before) }
  defer { sigprocmask(SIG_SETMASK, &before, nil) }
  while true {
    // A child that ended before its signal was blocked is found here.
    var status: CInt = 0
    if try call("waitpid", { waitpid(pid, &status, WNOHANG) }) == pid { return WaitStatus(rawValue: status) }
    var signal: CInt = 0
    sigwait(&all, &signal)
    if signal != SIGCHLD, signal != SIGPIPE, signal != SIGURG { kill(pid, signal) }
  }
}
