internal import CLinux
internal import SystemPackage

/// Runs a system call that answers -1 on failure, again while it is interrupted by a signal.
///
/// - Throws: `SystemError` naming `call` and `subject`.
@discardableResult
package func call<Result: FixedWidthInteger>(
  _ name: @autoclosure () -> String, on subject: @autoclosure () -> String? = nil,
  _ body: () -> Result
) throws(SystemError) -> Result {
  while true {
    let result = body()
    if result != -1 { return result }
    let errno = Errno(rawValue: clinuxErrno())
    if errno == .interrupted { continue }
    throw SystemError(name(), errno, on: subject())
  }
}

/// The calling thread's `errno`, read directly after the call that set it.
func clinuxErrno() -> CInt { clinux_errno() }
