import CLinux

/// Limits, users, capabilities and seccomp.
extension Child {
  mutating func performIdentity(
    _ code: clinux_operation_code, _ fields: inout Fields
  ) throws(Failure) {
    switch code {
    case CLINUX_OP_SET_RESOURCE_LIMIT:
      let resource = UInt32(truncatingIfNeeded: try fields.takeNumber())
      let soft = try fields.takeNumber()
      try check(CLINUX_STEP_PRLIMIT, clinux_prlimit(resource, soft, try fields.takeNumber()))
    case CLINUX_OP_SET_UMASK:
      umaskOfPayload = mode_t(truncatingIfNeeded: try fields.takeNumber())
    case CLINUX_OP_NEW_SESSION:
      try check(CLINUX_STEP_SETSID, clinux_setsid())
    case CLINUX_OP_SET_GROUPS:
      try setGroups(&fields)
    case CLINUX_OP_SET_USER:
      let user = UInt32(truncatingIfNeeded: try fields.takeNumber())
      try setUser(user, group: UInt32(truncatingIfNeeded: try fields.takeNumber()))
    case CLINUX_OP_DROP_BOUNDING_CAPABILITIES:
      try dropBounding(keep: try fields.takeNumber())
    case CLINUX_OP_SET_CAPABILITIES:
      let effective = try fields.takeNumber()
      let permitted = try fields.takeNumber()
      let inheritable = try fields.takeNumber()
      try check(CLINUX_STEP_CAPSET, clinux_capset(effective, permitted, inheritable))
      try setAmbient(try fields.takeNumber())
      try dieWithShim()
    case CLINUX_OP_SET_NO_NEW_PRIVILEGES:
      try check(CLINUX_STEP_PRCTL, clinux_prctl(38, 1, 0))  // PR_SET_NO_NEW_PRIVS
    case CLINUX_OP_LOAD_SECCOMP:
      let program = try fields.takeBytes()
      // The filter may refuse these calls, so they come before it.
      try seal()
      guard let start = program.baseAddress, program.count % 8 == 0 else {
        throw Failure(CLINUX_STEP_REQUEST, EINVAL)
      }
      try check(CLINUX_STEP_SECCOMP, clinux_seccomp(start, UInt32(truncatingIfNeeded: program.count / 8)))
    default:
      throw Failure(CLINUX_STEP_REQUEST, ENOSYS)
    }
  }

  private func setGroups(_ fields: inout Fields) throws(Failure) {
    let count = try fields.takeNumber()
    guard count <= 65536 else { throw Failure(CLINUX_STEP_SETGROUPS, EINVAL) }
    let groups = UnsafeMutablePointer<UInt32>.allocate(capacity: Int(count) + 1)
    for index in 0..<Int(count) { groups[index] = UInt32(truncatingIfNeeded: try fields.takeNumber()) }
    try check(CLINUX_STEP_SETGROUPS, clinux_setgroups(groups, UInt32(count)))
  }

  /// Permitted capabilities survive the change of user, for `setCapabilities` to set them as the plan says; without it
  /// exec drops them, since the payload's user is not root and nothing is ambient.
  private func setUser(_ user: UInt32, group: UInt32) throws(Failure) {
    // A program opens /dev/stdout anew, by the rights of the pipe that it leads to.
    if hasTerminal {
      _ = clinux_give_terminal(0, user)
    } else {
      for stream in CInt(0)...2 { clinux_give_pipe(stream, user, group) }
    }
    try check(CLINUX_STEP_PRCTL, clinux_prctl(8, 1, 0))  // PR_SET_KEEPCAPS
    try check(CLINUX_STEP_SETRESGID, clinux_setresgid(group))
    try check(CLINUX_STEP_SETRESUID, clinux_setresuid(user))
    try dieWithShim()
  }

  /// Of a user namespace, whose capabilities this process has: files that it makes are then root's, and not of a user that
  /// is nobody there.
  func becomeRoot() throws(Failure) {
    // In the namespace that an ordinary user makes for an OCI runtime, groups can be changed by nobody: they stay the user's.
    if clinux_setgroups(nil, 0) != 0, !request.isForRuntime || clinux_errno() != EPERM {
      throw Failure(CLINUX_STEP_SETGROUPS)
    }
    try check(CLINUX_STEP_SETRESGID, clinux_setresgid(0))
    try check(CLINUX_STEP_SETRESUID, clinux_setresuid(0))
    try dieWithShim()
  }

  private func dropBounding(keep: UInt64) throws(Failure) {
    for capability in UInt32(0)..<64 where keep & (1 << UInt64(capability)) == 0 {
      if clinux_capbset_drop(capability) == 0 { continue }
      // Past the last capability that this kernel knows.
      if clinux_errno() == EINVAL { return }
      throw Failure(CLINUX_STEP_PRCTL)
    }
  }

  private func setAmbient(_ ambient: UInt64) throws(Failure) {
    try check(CLINUX_STEP_PRCTL, clinux_ambient_clear())
    guard ambient != 0 else { return }
    for capability in UInt32(0)..<64 where ambient & (1 << UInt64(capability)) != 0 {
      try check(CLINUX_STEP_PRCTL, clinux_ambient_raise(capability))
    }
  }
}
