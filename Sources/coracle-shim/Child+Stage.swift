import CLinux

/// What a container has whichever it is, /proc, /sys and /dev, made on a tmpfs as the root, before there is the container's own:
/// no path of the host is in reach from then on, and none of its mounts held.
extension Child {
  mutating func makeStage() throws(Failure) {
    let context = try check(CLINUX_STEP_FSOPEN, clinux_fsopen("tmpfs"))
    defer { _ = close(context) }
    try check(CLINUX_STEP_FSCONFIG, clinux_fsconfig(context, "mode", "755"))
    try check(CLINUX_STEP_FSCONFIG, clinux_fsconfig_create(context))
    root = try check(CLINUX_STEP_FSMOUNT, clinux_fsmount(context, 0))
    try check(CLINUX_STEP_MOVE_MOUNT, clinux_move_mount_here(root))
  }

  mutating func enterStage() throws(Failure) {
    forgetParent()
    try enterRoot()
    stage = root
    root = -1
  }

  /// Moves what is mounted on a name of the stage, with all that is mounted in it, to the same name of the root.
  mutating func takeStaged(_ target: CString) throws(Failure) {
    guard stage >= 0, target[0] == slash else { throw Failure(CLINUX_STEP_REQUEST, EINVAL) }
    let isKernels = strcmp(target, "/proc") == 0 || strcmp(target, "/sys") == 0
    let place = try openOrMake(target, refuseSymlinks: isKernels)
    defer { _ = close(place) }
    if !isKernels { try refuseProcfs(place, of: target) }
    try check(CLINUX_STEP_MOVE_MOUNT, clinux_move_mount_from(stage, target + 1, place))
    forgetParent()
  }

  /// A process that nobody has asked for yet: executes what its plan has, says so with a byte, and goes on with the plan that
  /// the shim then sends, as every other.
  ///
  /// - Parameter socket: the shim's other end of it; the message has the request, 0, 1 and 2, and the mounts of the host's side.
  consuming func runAhead(_ socket: CInt) -> Never {
    do throws(Failure) {
      _ = umask(0)
      let socket = try takeNumbers(socket)
      try dieWithShim()
      try performAll()
      forgetParent()
      var byte: UInt8 = 0
      try check(CLINUX_STEP_SOCKET, clinux_send(socket, &byte, 1, 1))
      try takeRequest(socket)
    } catch {
      report(error, operation)
      _exit(125)
    }
    perform()
  }

  /// Of the failure pipe and the socket: 3 and 5, as 4 is the shim's status socket.
  private mutating func takeNumbers(_ socket: CInt) throws(Failure) -> CInt {
    let copy = try check(CLINUX_STEP_DUP, clinux_dup_above(socket, 128))
    if errors != 3 { try check(CLINUX_STEP_DUP, clinux_dup_on_exec_closed(errors, 3)) }
    errors = 3
    let number = try check(CLINUX_STEP_DUP, clinux_dup_on_exec_closed(copy, CInt(firstSlot)))
    _ = clinux_close_from(firstSlot + 1, 0)
    return number
  }

  private mutating func takeRequest(_ socket: CInt) throws(Failure) {
    let descriptors = UnsafeMutablePointer<CInt>.allocate(capacity: Spare.most)
    let count = Int(clinux_receive_descriptors(socket, descriptors, Spare.most))
    // Without one, the shim and its service have gone.
    guard count >= Spare.streams, let request = Request(descriptor: descriptors[0]) else { _exit(0) }
    self.request = request
    isStaged = true
    hostMounts = count - Spare.streams
    // Out of the way of the numbers that are wanted.
    stage = try check(CLINUX_STEP_DUP, clinux_dup_above(stage, 128))
    for index in 1..<count {
      descriptors[index] = try check(CLINUX_STEP_DUP, clinux_dup_above(descriptors[index], 128))
    }
    for stream in 0..<3 { try check(CLINUX_STEP_DUP, dup2(descriptors[1 + stream], CInt(stream))) }
    for slot in 0..<hostMounts {
      try check(
        CLINUX_STEP_DUP,
        clinux_dup_on_exec_closed(descriptors[Spare.streams + slot], CInt(firstSlot) + CInt(slot)))
    }
    stage = try check(CLINUX_STEP_DUP, clinux_dup_on_exec_closed(stage, CInt(firstFree)))
    emptyDirectory = -1
    _ = clinux_close_from(firstFree + 1, 0)
  }
}
