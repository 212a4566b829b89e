import CLinux
import Glibc
package import SystemPackage

/// Takes standard input and output for the caller alone, and puts /dev/null and standard error in their places: what
/// anyone else in the process reads finds nothing, and what anyone prints goes to standard error.
///
/// To be called before any other code can print. The caller owns both descriptors.
package func takeStandardStreams() throws(SystemError) -> (input: FileDescriptor, output: FileDescriptor) {
  let input = try call("dup", on: "stdin") { clinux_dup_above(STDIN_FILENO, 3) }
  let output = try call("dup", on: "stdout") { clinux_dup_above(STDOUT_FILENO, 3) }
  try call("dup2", on: "stdout") { dup2(STDERR_FILENO, STDOUT_FILENO) }
  let null = try call("open", on: "/dev/null") { open("/dev/null", O_RDONLY | O_CLOEXEC) }
  defer { close(null) }
  try call("dup2", on: "stdin") { dup2(null, STDIN_FILENO) }
  return (FileDescriptor(rawValue: input), FileDescriptor(rawValue: output))
}

/// A write to a pipe that nobody reads fails, instead of ending the process (SIGPIPE).
package func ignoreBrokenPipes() { signal(SIGPIPE, SIG_IGN) }

/// Makes the ends of children be told: who starts this process may have it ignore them (SIGCHLD), and then the kernel
/// would reap them before anyone could ask how they ended.
package func noticeChildren() { signal(SIGCHLD, SIG_DFL) }

/// Raises the number of files that this process may have open to what it may raise it to (setrlimit(2)). Where that
/// is refused it stays.
///
/// - Returns: what it was, soft and hard, for programs that are not this one.
@discardableResult
package func raiseOpenFileLimit() -> (soft: UInt64, hard: UInt64)? {
  var limit = rlimit()
  guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return nil }
  let before = (soft: UInt64(limit.rlim_cur), hard: UInt64(limit.rlim_max))
  limit.rlim_cur = limit.rlim_max
  setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
  return before
}
