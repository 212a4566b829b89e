import CLinux

extension Child {
  /// One operation of the plan; its fields are in the order of the arguments in LaunchPlan.swift.
  mutating func perform(_ code: UInt32, _ fields: Fields) throws(Failure) {
    var fields = fields
    switch clinux_operation_code(code) {
    case CLINUX_OP_MAKE_MOUNTS_PRIVATE:
      try check(CLINUX_STEP_MOUNT, clinux_make_mounts_private())
    case CLINUX_OP_MOUNT_OVERLAY_ROOT:
      try mountOverlayRoot(&fields)
    case CLINUX_OP_BIND_ROOT:
      try bindRoot(try fields.takeString())
    case CLINUX_OP_MOUNT:
      try mount(&fields)
    case CLINUX_OP_BIND:
      try bind(&fields)
    case CLINUX_OP_MAKE_DIRECTORY:
      let target = try fields.takeString()
      try makeDirectories(target, mode: UInt32(truncatingIfNeeded: try fields.takeNumber()))
    case CLINUX_OP_MAKE_NODE:
      try makeNode(&fields)
    case CLINUX_OP_MAKE_SYMLINK:
      let target = try fields.takeString()
      let content = try fields.takeString()
      let (directory, name) = try openParent(of: target)
      // What the image has there is as good.
      if symlinkat(content, directory, name) != 0 && clinux_errno() != EEXIST {
        throw Failure(CLINUX_STEP_SYMLINK)
      }
    case CLINUX_OP_WRITE_FILE:
      try writeFile(&fields)
    case CLINUX_OP_SET_LOOPBACK_UP:
      try check(CLINUX_STEP_IOCTL, clinux_loopback_up())
    case CLINUX_OP_AWAIT_CREATOR:
      try awaitCreator(operation)
    case CLINUX_OP_RUN_HOOK:
      try runHook(&fields)
    case CLINUX_OP_FIND_COMMAND:
      try findCommand(&fields)
    case CLINUX_OP_AWAIT_RELEASE:
      try awaitRelease()
    case CLINUX_OP_SET_HOSTNAME:
      let name = try fields.takeString()
      try check(CLINUX_STEP_SETHOSTNAME, clinux_sethostname(name, strlen(name)))
    case CLINUX_OP_SET_DOMAINNAME:
      let name = try fields.takeString()
      try check(CLINUX_STEP_SETDOMAINNAME, clinux_setdomainname(name, strlen(name)))
    case CLINUX_OP_PIVOT_ROOT:
      try pivotRoot()
    case CLINUX_OP_REMOUNT_ROOT_READ_ONLY:
      try check(CLINUX_STEP_MOUNT_SETATTR, clinux_mount_set(try rootDescriptor(), 1, 0))
    case CLINUX_OP_MASK_PATH:
      try mask(try fields.takeString())
    case CLINUX_OP_READ_ONLY_PATH:
      try makeReadOnly(try fields.takeString())
    case CLINUX_OP_SYSCTL:
      let name = try fields.takeString()
      try setSysctl(name, to: try fields.takeBytes())
    case CLINUX_OP_SET_OOM_SCORE_ADJUST:
      try setOOMScoreAdjust(Int64(bitPattern: try fields.takeNumber()))
    case CLINUX_OP_CHANGE_DIRECTORY:
      try changeDirectory(to: try fields.takeString())
    case CLINUX_OP_OPEN_TERMINAL:
      try openTerminal(&fields)
    case CLINUX_OP_AWAIT_START:
      try awaitStart()
    case CLINUX_OP_AWAIT_GROUPS:
      try awaitGroups()
    case CLINUX_OP_PROPAGATE_ROOT:
      let propagation = try fields.takeNumber()
      let isRecursive: CInt = try fields.takeNumber() != 0 ? 1 : 0
      try check(
        CLINUX_STEP_MOUNT_SETATTR, clinux_mount_propagate(try rootDescriptor(), propagation, isRecursive))
    case CLINUX_OP_ATTACH_ROOT:
      try attachPreparedRoot(&fields)
    case CLINUX_OP_ATTACH:
      try attachPrepared(&fields)
    case CLINUX_OP_MAKE_STAGE:
      try makeStage()
    case CLINUX_OP_ENTER_STAGE:
      try enterStage()
    case CLINUX_OP_TAKE_STAGED:
      try takeStaged(try fields.takeString())
    case CLINUX_OP_JOIN_NAMESPACE, CLINUX_OP_HOLD, CLINUX_OP_MAP_USERS, CLINUX_OP_PREPARE_OVERLAY,
      CLINUX_OP_PREPARE_BIND, CLINUX_OP_PREPARE_ROOT:
      // The shim has done so.
      break
    case CLINUX_OP_BECOME_ROOT:
      try becomeRoot()
    case CLINUX_OP_REAP_ORPHANS:
      try reapOrphans()
    case CLINUX_OP_EXECUTE:
      try execute(&fields)
    default:
      try performIdentity(clinux_operation_code(code), &fields)
    }
  }
}
