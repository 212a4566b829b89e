import CLinux

/// A step that failed, and the kernel's reason.
struct Failure: Error {
  var step: clinux_step
  var error: CInt

  init(_ step: clinux_step, _ error: CInt) {
    self.step = step
    self.error = error
  }

  /// The failed call's reason is the thread's errno.
  init(_ step: clinux_step) { self.init(step, clinux_errno()) }
}

/// Passes a call's result on, or throws the step with errno if it is negative.
@discardableResult
func check<Result: FixedWidthInteger>(
  _ step: clinux_step, _ result: Result
) throws(Failure) -> Result {
  if result < 0 { throw Failure(step) }
  return result
}
