import CLinux

/// An overlay that is attached nowhere yet, as a plan's operation says it.
enum OverlayMount {
  /// fsopen and friends: one `lowerdir+` a layer, no separators to escape, no limit on their number but the kernel's.
  ///
  /// - Returns: the mount's descriptor, which is the caller's.
  static func make(_ fields: inout Fields, _ explanation: inout Explanation) throws(Failure) -> CInt {
    let context = try check(CLINUX_STEP_FSOPEN, clinux_fsopen("overlay"))
    defer { _ = close(context) }
    do throws(Failure) {
      try check(CLINUX_STEP_FSCONFIG, clinux_fsconfig(context, "source", "overlay"))
      for _ in 0..<(try fields.takeNumber()) {
        try setDirectory(context, "lowerdir+", try fields.takeString())
      }
      try setDirectory(context, "upperdir", try fields.takeString())
      try setDirectory(context, "workdir", try fields.takeString())
      if try fields.takeNumber() != 0 {
        try check(CLINUX_STEP_FSCONFIG, clinux_fsconfig(context, "userxattr", nil))
      }
      if try fields.takeNumber() != 0 {
        try check(CLINUX_STEP_FSCONFIG, clinux_fsconfig(context, "volatile", nil))
        // With an index the kernel refuses (EBUSY) a lower layer that was the upper one of a RUN whose overlay is not gone yet.
        try check(CLINUX_STEP_FSCONFIG, clinux_fsconfig(context, "index", "off"))
      }
      try check(CLINUX_STEP_FSCONFIG, clinux_fsconfig_create(context))
      return try check(CLINUX_STEP_FSMOUNT, clinux_fsmount(context, rootAttributes))
    } catch {
      explanation.take(from: context)
      throw error
    }
  }

  /// fsconfig takes at most 255 bytes: a longer path goes by descriptor.
  private static func setDirectory(_ context: CInt, _ key: CString, _ path: CString) throws(Failure) {
    if strlen(path) < 256 {
      try check(CLINUX_STEP_FSCONFIG, clinux_fsconfig(context, key, path))
      return
    }
    let directory = try check(
      CLINUX_STEP_OPEN, clinux_open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0))
    defer { _ = close(directory) }
    var text = PathText()
    defer { text.deallocate() }
    text.add("/proc/self/fd/")
    text.add(number: UInt64(directory))
    try check(CLINUX_STEP_FSCONFIG, clinux_fsconfig(context, key, text.cString))
  }
}
