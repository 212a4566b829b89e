import CLinux

/// Writes to procfs, each through a descriptor that was verified to be of procfs: a file of the image's in its place
/// would silently take the limit meant for the kernel.
extension Child {
  /// `net.ipv4.ip_forward` or `net/ipv4/conf/eth0.1/forwarding`: dots separate only where there is no slash.
  mutating func setSysctl(_ name: CString, to value: UnsafeRawBufferPointer) throws(Failure) {
    var path = PathText()
    path.add("/proc/sys/")
    let hasSlash = strchr(name, CInt(slash)) != nil
    for index in 0..<strlen(name) {
      path.add(byte: !hasSlash && name[index] == 0x2E ? slash : name[index])
    }
    if path.isTooLong { throw Failure(CLINUX_STEP_OPENAT2, ENAMETOOLONG) }
    let file = try check(
      CLINUX_STEP_OPENAT2, clinux_open_in_root(try rootDescriptor(), path.cString, O_WRONLY, 0, 1))
    defer { _ = close(file) }
    try verifyProcfs(file)
    try writeAll(file, value)
  }

  mutating func setOOMScoreAdjust(_ value: Int64) throws(Failure) {
    // Not beneath the new root: before the pivot this is the host's /proc, after it the container's, and `self` is this
    // process in both.
    let file = try check(
      CLINUX_STEP_OPEN, clinux_open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC, 0))
    defer { _ = close(file) }
    try verifyProcfs(file)
    var text = PathText()
    if value < 0 { text.add("-") }
    text.add(number: value.magnitude)
    try writeAll(file, UnsafeRawBufferPointer(start: text.cString, count: text.count))
  }

  private func verifyProcfs(_ file: CInt) throws(Failure) {
    if try check(CLINUX_STEP_FSTATFS, clinux_is_procfs(file)) == 0 {
      throw Failure(CLINUX_STEP_NOT_PROCFS, ENODEV)
    }
  }
}
