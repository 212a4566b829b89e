import CLinux

/// MOUNT_ATTR_NODEV: a device node that comes with an image is a file of no use. Those of the plan are made in /dev.
var rootAttributes: UInt32 { 4 }

/// The new root: made detached, attached over the shim's working directory (any directory of the host does, and in the
/// child's own mount namespace it is covered for nobody else), entered with pivot_root.
extension Child {
  mutating func mountOverlayRoot(_ fields: inout Fields) throws(Failure) {
    let isOldKernel = request.flags & CLINUX_REQUEST_OLD_OVERLAY.rawValue != 0
    if !isOldKernel {
      var attempt = fields
      do throws(Failure) {
        root = try OverlayMount.make(&attempt, &explanation)
        try check(CLINUX_STEP_MOVE_MOUNT, clinux_move_mount_here(root))
        return
      } catch  where error.error == EINVAL && error.step == CLINUX_STEP_FSCONFIG {
        // Before 6.8 there is no `lowerdir+`. What was really wrong the other way will say as well.
      } catch {
        throw error
      }
    }
    explanation = Explanation()
    try mountOverlayByOptions(&fields)
  }

  /// mount(2), whose options must fit in a page and use `,` and `:` as separators: each path goes by descriptor, which
  /// leaves room for some 200 layers of any name.
  private mutating func mountOverlayByOptions(_ fields: inout Fields) throws(Failure) {
    var options = PathText()
    let lowers = try fields.takeNumber()
    for index in 0..<lowers {
      if index == 0 { options.add("lowerdir=") } else { options.add(":") }
      try addDescriptor(of: try fields.takeString(), to: &options)
    }
    options.add(",upperdir=")
    try addDescriptor(of: try fields.takeString(), to: &options)
    options.add(",workdir=")
    try addDescriptor(of: try fields.takeString(), to: &options)
    if try fields.takeNumber() != 0 { options.add(",userxattr") }
    if try fields.takeNumber() != 0 { options.add(",volatile,index=off") }
    if options.isTooLong { throw Failure(CLINUX_STEP_MOUNT, E2BIG) }
    try check(CLINUX_STEP_MOUNT, clinux_mount_overlay_here(options.cString))
    _ = clinux_close_from(firstFree, 0)
    // The working directory is still the one beneath: only a new walk to its name meets the mount.
    root = try check(
      CLINUX_STEP_OPEN, clinux_open(request.runDirectory, CLINUX_O_PATH | O_DIRECTORY | O_CLOEXEC, 0))
  }

  private func addDescriptor(of path: CString, to options: inout PathText) throws(Failure) {
    // Left open until the mount is there, then closed by range.
    let directory = try check(
      CLINUX_STEP_OPEN, clinux_open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0))
    options.add("/proc/self/fd/")
    options.add(number: UInt64(directory))
  }

  mutating func bindRoot(_ source: CString) throws(Failure) {
    root = try check(CLINUX_STEP_OPEN_TREE, clinux_open_tree_clone(AT_FDCWD, source, 1))
    try check(CLINUX_STEP_MOVE_MOUNT, clinux_move_mount_here(root))
  }

  mutating func pivotRoot() throws(Failure) {
    forgetParent()
    if stage >= 0 { try enterRootOnStage() } else { try enterRoot() }
    hasDirectory = true
  }

  /// The new root is mounted on the namespace's own, the stage, which stays beneath it: to detach that would have the start
  /// wait for the grace period that every umount2(2) ends with. Who gets out of the chroot, or takes the new root away, finds an
  /// empty tmpfs; and by setns(2), or by `..` from outside the chroot, the kernel comes to what is mounted on top.
  private mutating func enterRootOnStage() throws(Failure) {
    _ = close(stage)
    stage = -1
    try check(CLINUX_STEP_CHDIR, fchdir(try rootDescriptor()))
    try check(CLINUX_STEP_CHROOT, clinux_chroot_here())
  }

  mutating func enterRoot() throws(Failure) {
    try check(CLINUX_STEP_CHDIR, fchdir(try rootDescriptor()))
    var step: UInt32 = 0
    if clinux_pivot_here(&step) != 0 { throw Failure(clinux_step(step)) }
  }

  /// The root that targets are resolved in; of an exec session, or of a plan without a root of its own, the process's.
  mutating func rootDescriptor() throws(Failure) -> CInt {
    if root < 0 {
      root = try check(CLINUX_STEP_OPEN, clinux_open("/", CLINUX_O_PATH | O_DIRECTORY | O_CLOEXEC, 0))
    }
    return root
  }
}
