import CLinux

/// A detached copy of a mount, as a plan's `BindMount` says it.
enum BindClone {
  /// - Parameter isPrivate: whether it is cut off from the mount it is a copy of, unless the plan says otherwise.
  /// - Returns: the copy's descriptor, which is the caller's.
  static func make(_ fields: inout Fields, isPrivate: Bool = false) throws(Failure) -> CInt {
    let source = try fields.takeString()
    let isRecursive: CInt = try fields.takeNumber() != 0 ? 1 : 0
    let mount = try check(CLINUX_STEP_OPEN_TREE, clinux_open_tree_clone(AT_FDCWD, source, isRecursive))
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
}
