internal import CLinux
package import SystemPackage

/// Starts a program with exactly the given descriptors, as the leader of its own session (`posix_spawn`).
///
/// The only way a service starts a process: it has threads, and a forked copy of it could not run Swift.
///
/// - Parameter descriptors: become the program's 0, 1, 2, …; at most 128. They stay the caller's.
/// - Returns: the pid of a child that the caller must reap.
package func spawn(
  _ path: FilePath, arguments: [String], environment: [String], descriptors: [FileDescriptor]
) throws(SystemError) -> CInt {
  var pid: pid_t = 0
  let numbers = descriptors.map(\.rawValue)
  let error = withCStrings(arguments) { arguments in
    withCStrings(environment) { environment in
      path.withPlatformString {
        clinux_spawn(&pid, $0, arguments, environment, numbers, numbers.count)
      }
    }
  }
  if error != 0 { throw SystemError("posix_spawn", Errno(rawValue: error), on: path.string) }
  return pid
}
