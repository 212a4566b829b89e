import CLinux

/// Mounts other than the root: each is made detached and attached to a descriptor, so no name is looked up twice.
extension Child {
  mutating func mount(_ fields: inout Fields) throws(Failure) {
    let type = try fields.takeString()
    let source = try fields.takeString()
    let target = try fields.takeString()
    let attributes = try fields.takeNumber()
    let mount = try newMount(type, source, attributes, &fields)
    defer { _ = close(mount) }
    // With /proc or /sys a link of the image's, what is masked by name would not be what was mounted.
    let isKernels = strcmp(type, "proc") == 0 || strcmp(type, "sysfs") == 0
    let place = try openOrMake(target, refuseSymlinks: isKernels)
    defer { _ = close(place) }
    if !isKernels { try refuseProcfs(place, of: target) }
    try check(CLINUX_STEP_MOVE_MOUNT, clinux_move_mount(mount, place))
    forgetParent()
  }

  private mutating func newMount(
    _ type: CString, _ source: CString, _ attributes: UInt64, _ fields: inout Fields
  ) throws(Failure) -> CInt {
    let context = try check(CLINUX_STEP_FSOPEN, clinux_fsopen(type))
    defer { _ = close(context) }
    do throws(Failure) {
      if source[0] != 0 {
        try check(CLINUX_STEP_FSCONFIG, clinux_fsconfig(context, "source", source))
      }
      for _ in 0..<(try fields.takeNumber()) {
        let name = try fields.takeString()
        let hasValue = try fields.takeNumber() != 0
        let value = try fields.takeString()
        try check(CLINUX_STEP_FSCONFIG, clinux_fsconfig(context, name, hasValue ? value : nil))
      }
      try check(CLINUX_STEP_FSCONFIG, clinux_fsconfig_create(context))
      return try check(CLINUX_STEP_FSMOUNT, clinux_fsmount(context, UInt32(truncatingIfNeeded: attributes)))
    } catch {
      explanation.take(from: context)
      throw error
    }
  }

  mutating func bind(_ fields: inout Fields) throws(Failure) {
    let mount = try BindClone.make(&fields, isRestart: isRestart)
    defer { _ = close(mount) }
    // Mapped ones are the shim's to make.
    if try fields.takeNumber() != 0 { throw Failure(CLINUX_STEP_MOUNT_IDMAP, EINVAL) }
    try attach(mount, to: try fields.takeString())
  }

  /// A mount that the shim has made.
  mutating func attachPrepared(_ fields: inout Fields) throws(Failure) {
    let mount = try prepared(try fields.takeNumber())
    try attach(mount, to: try fields.takeString())
  }

  mutating func attachPreparedRoot(_ fields: inout Fields) throws(Failure) {
    root = try prepared(try fields.takeNumber())
    try check(CLINUX_STEP_MOVE_MOUNT, clinux_move_mount_here(root))
  }

  private func prepared(_ slot: UInt64) throws(Failure) -> CInt {
    guard slot < UInt64(hostMounts) else { throw Failure(CLINUX_STEP_REQUEST, EINVAL) }
    return CInt(firstSlot) + CInt(slot)
  }

  /// Attaches a detached mount; a missing target is made, a file or a directory as the mount is.
  private mutating func attach(_ mount: CInt, to target: CString) throws(Failure) {
    var node = clinux_node()
    try check(CLINUX_STEP_FSTAT, clinux_node(mount, &node))
    let place = try openOrMake(target, file: node.is_directory == 0)
    defer { _ = close(place) }
    try refuseProcfs(place, of: target)
    try check(CLINUX_STEP_MOVE_MOUNT, clinux_move_mount(mount, place))
    forgetParent()
  }

  /// What a link of the image's leads into procfs would take the place of a file that the engine, or the kernel, trusts
  /// (CVE-2025-52881). What the plan names there itself was looked at when it was compiled.
  func refuseProcfs(_ place: CInt, of target: CString) throws(Failure) {
    if strncmp(target, "/proc/", 6) == 0 || strcmp(target, "/proc") == 0 { return }
    if try check(CLINUX_STEP_FSTATFS, clinux_is_procfs(place)) != 0 {
      throw Failure(CLINUX_STEP_TARGET_IN_PROCFS, EPERM)
    }
  }

  /// Covers a file with the null device, a directory with an empty read-only tmpfs; what is not there stays so.
  mutating func mask(_ path: CString) throws(Failure) {
    guard let place = try openIfThere(path) else { return }
    defer { _ = close(place) }
    var node = clinux_node()
    try check(CLINUX_STEP_FSTAT, clinux_node(place, &node))
    let cover = try node.is_directory != 0 ? emptyDirectoryClone() : nullDeviceClone()
    defer { _ = close(cover) }
    try check(CLINUX_STEP_MOVE_MOUNT, clinux_move_mount(cover, place))
    forgetParent()
  }

  mutating func makeReadOnly(_ path: CString) throws(Failure) {
    guard let place = try openIfThere(path) else { return }
    defer { _ = close(place) }
    let copy = try check(CLINUX_STEP_OPEN_TREE, clinux_open_tree_clone(place, "", 1))
    defer { _ = close(copy) }
    try check(CLINUX_STEP_MOUNT_SETATTR, clinux_mount_set(copy, 1, 1))
    try check(CLINUX_STEP_MOVE_MOUNT, clinux_move_mount(copy, place))
    forgetParent()
  }

  private mutating func openIfThere(_ path: CString) throws(Failure) -> CInt? {
    do throws(Failure) {
      return try open(path)
    } catch  where error.error == ENOENT || error.error == ENOTDIR {
      return nil
    } catch {
      throw error
    }
  }

  private mutating func emptyDirectoryClone() throws(Failure) -> CInt {
    if emptyDirectory < 0 {
      let context = try check(CLINUX_STEP_FSOPEN, clinux_fsopen("tmpfs"))
      defer { _ = close(context) }
      try check(CLINUX_STEP_FSCONFIG, clinux_fsconfig(context, "mode", "755"))
      try check(CLINUX_STEP_FSCONFIG, clinux_fsconfig(context, "nr_inodes", "1"))
      try check(CLINUX_STEP_FSCONFIG, clinux_fsconfig_create(context))
      emptyDirectory = try check(CLINUX_STEP_FSMOUNT, clinux_fsmount(context, 0xF))
      // The first is this very mount: before Linux 6.15 only one that is attached can be cloned.
      return try check(CLINUX_STEP_DUP, clinux_dup_above(emptyDirectory, 3))
    }
    return try check(CLINUX_STEP_OPEN_TREE, clinux_open_tree_clone(emptyDirectory, "", 0))
  }

  /// The image or a second container may have put a link or a file at /dev/null: the clone itself is looked at.
  private mutating func nullDeviceClone() throws(Failure) -> CInt {
    let device = try open("/dev/null", refuseSymlinks: true)
    defer { _ = close(device) }
    let clone = try check(CLINUX_STEP_OPEN_TREE, clinux_open_tree_clone(device, "", 0))
    var node = clinux_node()
    guard clinux_node(clone, &node) == 0, node.is_null_device != 0 else {
      _ = close(clone)
      throw Failure(CLINUX_STEP_NOT_NULL_DEVICE, ENODEV)
    }
    return clone
  }
}
