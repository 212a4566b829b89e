import CLinux

/// A step that failed, and the kernel's reason.
struct Failure: Error {
  var step: clinux_step
  var error: CInt
  /// Of the plan, where the shim itself carries one out.
  var operation: UInt32?
  var explanation = Explanation()

  init(_ step: clinux_step, _ error: CInt) {
    self.step = step
    self.error = error
  }

  init(_ failure: Failure, of operation: UInt32) {
    self = failure
    self.operation = operation
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
