import CLinux

/// A terminal of the container's own devpts as the process's standard streams.
extension Child {
  /// Standard input is, up to here, a socket to whoever is to hold the terminal's other end: it gets the master there.
  ///
  /// The image decides what is at /dev/pts, and what was found is used by descriptor from then on: the slave comes from the
  /// master and is bound as /dev/console without a second look at any name (CVE-2025-52565).
  mutating func openTerminal(_ fields: inout Fields) throws(Failure) {
    let rows = UInt32(truncatingIfNeeded: try fields.takeNumber())
    let columns = UInt32(truncatingIfNeeded: try fields.takeNumber())
    let bindsConsole = try fields.takeNumber() != 0
    let master = try openMaster()
    try check(CLINUX_STEP_IOCTL, clinux_set_terminal_size(master, rows, columns))
    let slave = try check(CLINUX_STEP_IOCTL, clinux_open_slave(master))
    if bindsConsole { try bindConsole(slave) }
    var sent = master
    try check(CLINUX_STEP_SOCKET, clinux_send_descriptors(0, &sent, 1))
    _ = close(master)
    // Only a session leader can take it; an exec session's command is one already.
    _ = clinux_setsid()
    try check(CLINUX_STEP_IOCTL, clinux_take_terminal(slave))
    for stream in CInt(0)...2 { try check(CLINUX_STEP_DUP, dup2(slave, stream)) }
    _ = close(slave)
    hasTerminal = true
  }

  private mutating func openMaster() throws(Failure) -> CInt {
    let pts = try check(
      CLINUX_STEP_OPENAT2,
      clinux_open_in_root(try rootDescriptor(), "/dev/pts", CLINUX_O_PATH | O_DIRECTORY, 0, 1))
    defer { _ = close(pts) }
    try verifyDevpts(pts)
    let master = try check(CLINUX_STEP_OPEN, clinux_open_master(pts))
    try verifyDevpts(master)
    return master
  }

  private func verifyDevpts(_ descriptor: CInt) throws(Failure) {
    if try check(CLINUX_STEP_FSTATFS, clinux_is_devpts(descriptor)) == 0 {
      throw Failure(CLINUX_STEP_NOT_DEVPTS, ENODEV)
    }
  }

  private mutating func bindConsole(_ slave: CInt) throws(Failure) {
    let clone = try check(CLINUX_STEP_OPEN_TREE, clinux_open_tree_clone(slave, "", 0))
    defer { _ = close(clone) }
    let place = try openOrMake("/dev/console", file: true, refuseSymlinks: true)
    defer { _ = close(place) }
    try check(CLINUX_STEP_MOVE_MOUNT, clinux_move_mount(clone, place))
    forgetParent()
  }
}
