import CLinux

extension Child {
  /// A directory that is not beneath the root is refused: with a host descriptor open in this process, `/proc/self/fd/N`
  /// would lead there (CVE-2024-21626). None is; this is the second lock.
  mutating func changeDirectory(to path: CString) throws(Failure) {
    try check(CLINUX_STEP_CHDIR, chdir(path))
    let buffer = UnsafeMutablePointer<CChar>.allocate(capacity: 4096)
    try check(CLINUX_STEP_GETCWD, clinux_getcwd(buffer, 4096))
    if buffer[0] != slash { throw Failure(CLINUX_STEP_OUTSIDE_ROOT, EXDEV) }
    hasDirectory = true
  }

  /// The last calls before the payload, or its seccomp filter: what this process has that the payload must not.
  mutating func seal() throws(Failure) {
    if isSealed { return }
    isSealed = true
    // A plan without a root of its own starts in the run directory otherwise.
    if !hasDirectory { try check(CLINUX_STEP_CHDIR, chdir("/")) }
    _ = umask(umaskOfPayload)
    try dieWithShim()
    _ = clinux_close_from(3, 1)
    try placePreserved()
    clinux_reset_internal_signals()
    _ = clinux_block_signals(0)
  }

  /// Does not return but by throwing.
  mutating func execute(_ fields: inout Fields) throws(Failure) {
    let arguments = try pointers(&fields)
    let environment = try pointers(&fields)
    guard let command = arguments[0] else { throw Failure(CLINUX_STEP_REQUEST, EINVAL) }
    try seal()
    if command[0] == 0 { throw Failure(CLINUX_STEP_EXECVE, ENOENT) }
    if strchr(command, CInt(slash)) != nil {
      _ = execve(command, arguments, environment)
      throw Failure(CLINUX_STEP_EXECVE)
    }
    try search(command, arguments, environment)
  }

  /// In the container's own PATH: a candidate without permission is remembered, and the next is tried.
  private func search(
    _ command: UnsafeMutablePointer<CChar>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>,
    _ environment: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
  ) throws(Failure) {
    var reason = ENOENT
    var candidates = CommandCandidates(CString(command), in: searchPath(environment))
    while let candidate = candidates.nextPath() {
      _ = execve(candidate, arguments, environment)
      let error = clinux_errno()
      if error == EACCES {
        reason = EACCES
      } else if error != ENOENT && error != ENOTDIR {
        throw Failure(CLINUX_STEP_EXECVE, error)
      }
    }
    throw Failure(CLINUX_STEP_EXECVE, reason)
  }

  private func searchPath(
    _ environment: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
  ) -> CString {
    var entry = environment
    while let text = entry.pointee {
      if strncmp(text, "PATH=", 5) == 0 { return CString(text + 5) }
      entry += 1
    }
    return standardPath
  }

  /// A null-terminated array over a list of strings in the plan.
  func pointers(
    _ fields: inout Fields
  ) throws(Failure) -> UnsafeMutablePointer<UnsafeMutablePointer<CChar>?> {
    let count = try fields.takeNumber()
    // The kernel allows far fewer.
    guard count < 1 << 22 else { throw Failure(CLINUX_STEP_EXECVE, E2BIG) }
    let list = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(capacity: Int(count) + 1)
    for index in 0..<Int(count) { list[index] = UnsafeMutablePointer(mutating: try fields.takeString()) }
    list[Int(count)] = nil
    return list
  }
}

/// Docker's, for a container without PATH.
private var standardPath: CString {
  let text: StaticString = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
  return UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
}
