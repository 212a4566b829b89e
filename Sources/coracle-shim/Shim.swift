import CLinux

/// The parent of one container's first process, or of one exec session's command, or a container's forwarder.
///
/// A copy of the template, with the descriptors of `clinux_shim_descriptor` and the leader of its own session. It is
/// single-threaded, so Swift code may run on both sides of `clone3`.
struct Shim {
  /// Ends with the container's, or the session's, end.
  static func run() -> Never {
    _ = clinux_set_name("coracle-shim")
    _ = clinux_setsid()
    let status = StatusSocket(descriptor: CInt(CLINUX_SHIM_STATUS.rawValue))
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
      case CLINUX_MODE_SPARE.rawValue:
        let (spare, asked) = try Spare.await(request, status)
        var container = try Container(asked, status, spare: spare)
        container.run()
      case CLINUX_MODE_EXEC.rawValue:
        try ExecSession(request, status).run()
      case CLINUX_MODE_FORWARDER.rawValue:
        _ = clinux_set_name("coracle-ports")
        var forwarder = try Forwarder(request, status)
        forwarder.run()
      case CLINUX_MODE_NETWORK.rawValue:
        _ = clinux_set_name("coracle-network")
        try NetworkKeeper(request, status).run()
      case CLINUX_MODE_RUNTIME.rawValue, CLINUX_MODE_RUNTIME_EXEC.rawValue:
        try RuntimeProcess(request, status).run()
      default:
        throw Failure(CLINUX_STEP_REQUEST, EINVAL)
      }
    } catch {
      status.fail(error)
      _exit(1)
    }
    _exit(0)
  }
}
