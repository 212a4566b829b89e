internal import CLinux
package import SystemPackage

/// Starts a program with exactly the given descriptors, as the leader of its own session (`posix_spawn`).
///
/// The only way a service starts a process: it has threads, and a forked copy of it could not run Swift.
///
/// - Parameter descriptors: become the program's 0, 1, 2, …; at most eight. They stay the caller's.
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

/// A null-terminated array of C strings for the time of `body`.
private func withCStrings<Result>(
  _ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>>) -> Result
) -> Result {
  let copies = strings.map { strdup($0) }
  defer { copies.forEach { free($0) } }
  let list = copies.map { UnsafePointer<CChar>($0) } + [nil]
  return list.withUnsafeBufferPointer { buffer in
    // The array ends with a null pointer, which the C side expects; its type says non-null for the strings before it.
    buffer.baseAddress.unsafelyUnwrapped.withMemoryRebound(
      to: UnsafePointer<CChar>.self, capacity: buffer.count, body)
  }
}
