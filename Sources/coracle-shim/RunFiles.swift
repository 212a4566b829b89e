import CLinux

/// What this shim tells every service through the container's run directory, its working directory.
enum RunFiles {
  /// Takes the lock that says that this shim lives. Another holder is EAGAIN.
  ///
  /// A POSIX lock belongs to the process, not to the open file: the container's process cannot inherit it, and
  /// whoever asks with F_GETLK learns the holder's pid from the kernel, without taking the lock for a moment.
  static func lock() throws(Failure) {
    let fresh = clinux_open("lock", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    let file =
      fresh >= 0
      ? fresh : try check(CLINUX_STEP_OPEN, clinux_open("lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600))
    try check(CLINUX_STEP_LOCK, clinux_lock_for_life(file))
    // The lock comes before all that a run leaves.
    if fresh >= 0 { return }
    // Of an earlier run of the container: only the holder of the lock may say that it is over.
    _ = unlink("exit")
    _ = unlink("pid")
    _ = unlink("lives")
  }

  /// Names the container's first process, with its start time, by which a reused pid is told apart.
  static func writePid(shim: pid_t, first: pid_t, namespaces: UInt64) throws(Failure) {
    var text = SmallText()
    text.add("shim=")
    text.add(UInt64(shim))
    text.add("\ninit=")
    text.add(UInt64(first))
    text.add("\nstart=")
    text.add(startTime(of: first))
    text.add("\nnamespaces=")
    text.add(namespaces)
    text.add("\n")
    try text.write(to: "pid", temporary: "pid.new")
  }

  /// The end of the container, for good.
  static func writeExit(waitStatus: CInt, lostBytes: UInt64) throws(Failure) {
    var text = SmallText()
    text.add("wait=")
    text.add(UInt64(waitStatus))
    text.add("\nat=")
    text.add(clinux_now())
    text.add("\nlostoutput=")
    text.add(lostBytes)
    text.add("\n")
    try text.write(to: "exit", temporary: "exit.new")
  }

  /// Keeps the container's mounts until this process ends, if /proc lets it.
  ///
  /// The last one in a mount namespace takes it down, which waits for RCU and for the overlay to be synced, a millisecond
  /// or more: not the container's first process then, whose end is waited for, but the shim after the exit record.
  ///
  /// - Returns: the descriptor to close then, or -1.
  static func holdMountNamespace(of pid: pid_t) -> CInt {
    var path = SmallText()
    path.add("/proc/")
    path.add(UInt64(pid))
    path.add("/ns/mnt")
    return path.withCString { clinux_open($0, O_RDONLY | O_CLOEXEC, 0) }
  }

  static func removePid() { _ = unlink("pid") }

  /// Says that the first process has ended and gets a successor.
  ///
  /// - Returns: false where that cannot be written: a restart that nobody would hear of must not be.
  static func appendEnded(waitStatus: CInt, at: UInt64, until: UInt64, lostBytes: UInt64) -> Bool {
    var text = SmallText()
    text.add("ended wait=")
    text.add(UInt64(waitStatus))
    text.add(" at=")
    text.add(at)
    text.add(" until=")
    text.add(until)
    text.add(" lostoutput=")
    text.add(lostBytes)
    text.add("\n")
    return text.append(to: "lives")
  }

  /// - Returns: false where that cannot be written.
  static func appendStarted(pid: pid_t) -> Bool {
    var text = SmallText()
    text.add("started pid=")
    text.add(UInt64(pid))
    text.add(" at=")
    text.add(clinux_now())
    text.add("\n")
    return text.append(to: "lives")
  }

  struct RestartRule {
    var onFailureOnly: Bool
    /// In a row; 0 is without an end.
    var most: UInt64
  }

  /// What a service wrote in `restart` (Runner+RestartPolicy.swift); nil where it does not want any.
  static func restartRule() -> RestartRule? {
    let file = clinux_open("restart", O_RDONLY | O_CLOEXEC, 0)
    guard file >= 0 else { return nil }
    defer { _ = close(file) }
    var buffer: InlineArray<96, UInt8> = InlineArray(repeating: 0)
    let count = withUnsafeMutableBytes(of: &buffer) { read(file, $0.baseAddress, 95) }
    guard count > 0 else { return nil }
    return withUnsafeBytes(of: &buffer) {
      let text = $0.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: CChar.self)
      return RestartRule(
        onFailureOnly: number(after: "failure=", in: text) != 0, most: number(after: "most=", in: text))
    }
  }

  static func removeRestartRule() { _ = unlink("restart") }

  private static func number(after name: StaticString, in text: CString) -> UInt64 {
    let key = UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self)
    guard let found = strstr(text, key) else { return 0 }
    var value: UInt64 = 0
    var next = found + name.utf8CodeUnitCount
    while next[0] >= 48, next[0] <= 57 {
      value = value &* 10 &+ UInt64(next[0] - 48)
      next += 1
    }
    return value
  }

  /// Field 22 of /proc/PID/stat, in clock ticks since boot; 0 where /proc does not say.
  private static func startTime(of pid: pid_t) -> UInt64 {
    var path = SmallText()
    path.add("/proc/")
    path.add(UInt64(pid))
    path.add("/stat")
    let file = path.withCString { clinux_open($0, O_RDONLY | O_CLOEXEC, 0) }
    guard file >= 0 else { return 0 }
    defer { _ = close(file) }
    var buffer: InlineArray<512, UInt8> = InlineArray(repeating: 0)
    let count = withUnsafeMutableBytes(of: &buffer) { read(file, $0.baseAddress, 512) }
    guard count > 0 else { return 0 }
    // The second field is the name in parentheses and may hold spaces and parentheses itself: count from the last one.
    var index = count - 1
    while index > 0, buffer[index] != UInt8(ascii: ")") { index -= 1 }
    var spaces = 0
    var value: UInt64 = 0
    while index < count, spaces <= 20 {
      let byte = buffer[index]
      if byte == UInt8(ascii: " ") {
        spaces += 1
      } else if spaces == 20, byte >= 48, byte <= 57 {
        value = value &* 10 &+ UInt64(byte - 48)
      }
      index += 1
    }
    return value
  }
}
