import CLinux
package import SystemPackage

/// Runs a hook of an OCI configuration to its end; blocks meanwhile. What it prints goes to standard error. Only while this
/// process has one thread.
///
/// - Parameters:
///   - input: its standard input.
///   - timeout: in ms; the hook is killed with its process group when it takes longer. Nil is without an end.
/// - Throws: `SystemError` from posix_spawn(3), and `timedOut`.
package func runHook(
  _ path: FilePath, arguments: [String], environment: [String], input: [UInt8], timeout: Int64?
) throws(SystemError) -> WaitStatus {
  var status: CInt = 0
  try call("posix_spawn", on: path.string) {
    withCStrings(arguments) { arguments in
      arguments.withMemoryRebound(to: UnsafePointer<CChar>?.self, capacity: 1) { arguments in
        withCStrings(environment) { environment in
          environment.withMemoryRebound(to: UnsafePointer<CChar>?.self, capacity: 1) { environment in
            input.withUnsafeBytes { bytes in
              bytes.withMemoryRebound(to: CChar.self) {
                clinux_run_hook(
                  path.string, arguments, environment, $0.baseAddress.unsafelyUnwrapped, $0.count,
                  timeout.map { CInt(clamping: $0) } ?? -1, &status)
              }
            }
          }
        }
      }
    }
  }
  return WaitStatus(rawValue: status)
}
