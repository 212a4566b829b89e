import CLinux

/// The parent of one container's first process, or of one exec session's command.
///
/// Started by the service with `posix_spawn` as the leader of its own session, with the descriptors of
/// `clinux_shim_descriptor`. It is single-threaded, so Swift code may run on both sides of `clone3`.
@main struct Shim {
  static func main() {
    // Nothing of this process is for the container: neither its memory and descriptors, once an exec session's child
    // is visible in the container's /proc, nor its executable (a sealed memfd besides). exec undoes it for the payload.
    _ = clinux_set_dumpable(0)
    _ = clinux_set_name("coracle-shim")
    // SIGHUP, SIGINT and the like stay pending for ever; SIGTERM is read from a signalfd. Less to undo in the child
    // than dispositions: one call.
    _ = clinux_block_signals(1)
    _ = umask(0o077)
    // What the service's libraries opened without close-on-exec would be held for the container's life.
    _ = clinux_close_from(CUnsignedInt(CLINUX_SHIM_TARGET.rawValue) + 1, 0)

    let status = StatusSocket(descriptor: CInt(CLINUX_SHIM_STATUS.rawValue))
    waitForRequest()
    guard let request = Request(descriptor: CInt(CLINUX_SHIM_REQUEST.rawValue)) else {
      status.fail(Failure(CLINUX_STEP_REQUEST, EINVAL))
      _exit(2)
    }
    _ = close(CInt(CLINUX_SHIM_REQUEST.rawValue))
    do throws(Failure) {
      switch request.mode {
      case CLINUX_MODE_CONTAINER.rawValue:
        var container = try Container(request, status)
        container.run()
      case CLINUX_MODE_EXEC.rawValue:
        try ExecSession(request, status).run()
      default:
        throw Failure(CLINUX_STEP_REQUEST, EINVAL)
      }
    } catch {
      status.fail(error)
      _exit(1)
    }
    _exit(0)
  }
  /// A shim may be started ahead of its request, and is told when that is complete; if the service ends before, so does
  /// the shim.
  private static func waitForRequest() {
    var byte: UInt8 = 0
    if clinux_receive(CInt(CLINUX_SHIM_STATUS.rawValue), &byte, 1, 1) != 1 { _exit(2) }
  }
}
