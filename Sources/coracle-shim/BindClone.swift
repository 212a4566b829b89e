import CLinux

/// A detached copy of a mount, as a plan's `BindMount` says it.
enum BindClone {
  /// - Parameters:
  ///   - isPrivate: whether it is cut off from the mount it is a copy of, unless the plan says otherwise.
  ///   - isRestart: whether the shim starts the container by its restart rule.
  /// - Returns: the copy's descriptor, which is the caller's.
  static func make(
    _ fields: inout Fields, isPrivate: Bool = false, isRestart: Bool = false
  ) throws(Failure) -> CInt {
    let source = try fields.takeString()
    let subpath = try fields.takeString()
    let process = pid_t(truncatingIfNeeded: try fields.takeNumber())
    let isRecursive: CInt = try fields.takeNumber() != 0 ? 1 : 0
    let mount =
      try process == 0
      ? clone(source, subpath, isRecursive) : SharedMemory.clone(source, of: process, isRestart: isRestart)
    do throws(Failure) {
      let attributes = try fields.takeNumber()
      let allAttributes = try fields.takeNumber()
      let propagation = try fields.takeNumber()
      let isPropagationRecursive: CInt = try fields.takeNumber() != 0 ? 1 : 0
      if attributes != 0 {
        try check(CLINUX_STEP_MOUNT_SETATTR, clinux_mount_set(mount, attributes, 0))
      }
      if allAttributes != 0 {
        try check(CLINUX_STEP_MOUNT_SETATTR, clinux_mount_set(mount, allAttributes, 1))
      }
      if isPrivate, propagation == 0 {
        try check(CLINUX_STEP_MOUNT_SETATTR, clinux_mount_propagate(mount, 0x4_0000, 1))  // MS_PRIVATE
      }
      if propagation != 0 {
        try check(
          CLINUX_STEP_MOUNT_SETATTR, clinux_mount_propagate(mount, propagation, isPropagationRecursive))
      }
      return mount
    } catch {
      _ = close(mount)
      throw error
    }
  }

  /// What is beneath the source may be a container's to change at any time: it is looked up once, and taken by descriptor.
  private static func clone(_ source: CString, _ subpath: CString, _ isRecursive: CInt) throws(Failure)
    -> CInt
  {
    if subpath[0] == 0 {
      return try check(CLINUX_STEP_OPEN_TREE, clinux_open_tree_clone(AT_FDCWD, source, isRecursive))
    }
    let top = try check(CLINUX_STEP_OPEN, clinux_open(source, CLINUX_O_PATH | O_CLOEXEC, 0))
    defer { _ = close(top) }
    let place = try check(CLINUX_STEP_OPENAT2, clinux_open_beneath(top, subpath, CLINUX_O_PATH))
    defer { _ = close(place) }
    return try check(CLINUX_STEP_OPEN_TREE, clinux_open_tree_clone(place, "", isRecursive))
  }
}
