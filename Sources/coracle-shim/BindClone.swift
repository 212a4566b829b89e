import CLinux

/// A detached copy of a mount, as a plan's `BindMount` says it.
enum BindClone {
  /// - Returns: the copy's descriptor, which is the caller's.
  static func make(_ fields: inout Fields) throws(Failure) -> CInt {
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
