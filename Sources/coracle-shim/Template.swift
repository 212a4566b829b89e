import CLinux

/// The process that all shims of one service are copies of: to copy it takes a tenth of the time that a program takes to
/// be executed. Started by the service with `posix_spawn`; ends with it. It holds nothing of any container.
@main struct Template {
  private static var control: CInt { CLINUX_TEMPLATE_CONTROL }
  private static var most: Int { Int(CLINUX_SHIM_OF_EXEC.rawValue) }

  static func main() {
    // Executed by an OCI runtime, it finds a request there and no socket.
    if Request(descriptor: control) != nil { Shim.run() }
    // Nothing of this process, nor of a shim, is for a container: neither memory and descriptors, once an exec session's
    // child is visible in the container's /proc, nor the executable (a sealed memfd besides). exec undoes it for the
    // payload.
    _ = clinux_set_dumpable(0)
    _ = clinux_set_name("coracle-shims")
    // SIGHUP, SIGINT and the like stay pending for ever; a shim reads SIGTERM from a signalfd. Less to undo in the child
    // than dispositions: one call.
    _ = clinux_block_signals(1)
    _ = umask(0o077)
    // What the service's libraries opened without close-on-exec would be held for the containers' lives.
    _ = clinux_close_from(CUnsignedInt(control) + 1, 0)

    let descriptors = UnsafeMutablePointer<CInt>.allocate(capacity: most)
    while true {
      let count = Int(clinux_receive_descriptors(control, descriptors, most))
      if count <= 0 { _exit(count < 0 ? 2 : 0) }
      var answer: Int32 = -EINVAL
      if count == Int(CLINUX_SHIM_OF_CONTAINER.rawValue) || count == Int(CLINUX_SHIM_OF_FORWARDER.rawValue)
        || count == most
      {
        let shim = clinux_fork_sibling()
        if shim == 0 {
          place(descriptors, count)
          Shim.run()
        }
        answer = shim < 0 ? -clinux_errno() : shim
      }
      for index in 0..<count { _ = close(descriptors[index]) }
      _ = clinux_send(control, &answer, MemoryLayout<Int32>.size, 1)
    }
  }

  /// Runs in the new shim: gives the descriptors their numbers. 0, 1 and 2 are /dev/null unless the message has others.
  private static func place(_ descriptors: UnsafeMutablePointer<CInt>, _ count: Int) {
    let named = min(count, Int(CLINUX_SHIM_TARGET.rawValue) - Int(CLINUX_SHIM_REQUEST.rawValue) + 1)
    // Copies above all numbers that are wanted, so that none is overwritten before it is used.
    for index in 0..<count {
      let copy = clinux_dup_above(descriptors[index], 16)
      if copy < 0 { _exit(2) }
      descriptors[index] = copy
    }
    for index in 0..<count {
      let number = index < named ? CInt(CLINUX_SHIM_REQUEST.rawValue) + CInt(index) : CInt(index - named)
      if dup2(descriptors[index], number) < 0 { _exit(2) }
    }
    _ = clinux_close_from(CUnsignedInt(CLINUX_SHIM_REQUEST.rawValue) + CUnsignedInt(named), 0)
  }
}
