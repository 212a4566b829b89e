import CLinux
internal import EngineErrors
internal import SystemPackage

extension LaunchPlan.Operation {
  func encode(to encoder: inout PlanEncoder) throws(EngineError) {
    switch self {
    case .makeMountsPrivate, .setLoopbackUp, .pivotRoot, .remountRootReadOnly, .newSession,
      .setNoNewPrivileges, .awaitStart, .becomeRoot, .reapOrphans, .awaitGroups,
      .makeStage, .enterStage:
      encoder.operation(plainCode)
    case .propagateRoot(let kind, let isRecursive):
      encoder.numbers(CLINUX_OP_PROPAGATE_ROOT, [kind.rawValue, isRecursive ? 1 : 0])
    case .awaitCreator: encoder.operation(CLINUX_OP_AWAIT_CREATOR)
    case .awaitRelease: encoder.operation(CLINUX_OP_AWAIT_RELEASE)
    case .runHook(let hook):
      try encode(hook, to: &encoder)
    case .findCommand(let command, let path):
      try encoder.operation(CLINUX_OP_FIND_COMMAND) { (fields) throws(EngineError) in
        try fields.string(command)
        try fields.string(path)
      }
    case .mountOverlayRoot, .bindRoot, .mount, .bind, .takeStaged, .prepareRoot:
      try encodeMount(to: &encoder)
    case .makeDirectory, .makeNode, .makeSymlink, .writeFile, .maskPath, .readOnlyPath, .changeDirectory:
      try encodeFile(to: &encoder)
    case .openTerminal(let rows, let columns, let bindsConsole):
      encoder.numbers(
        CLINUX_OP_OPEN_TERMINAL, [UInt64(rows), UInt64(columns), bindsConsole ? 1 : 0])
    case .setHostname, .setDomainname, .sysctl, .setResourceLimit, .setOOMScoreAdjust, .setUmask, .setGroups,
      .setUser, .dropBoundingCapabilities, .setCapabilities, .loadSeccomp:
      try encodeSetting(to: &encoder)
    case .mapUsers, .prepareOverlay, .prepareBind, .attachRoot, .attach:
      try encodeHostSide(to: &encoder)
    case .hold(let path):
      try encoder.operation(CLINUX_OP_HOLD) { (fields) throws(EngineError) in try fields.path(path) }
    case .joinNamespace(let kind, let path):
      try encoder.operation(CLINUX_OP_JOIN_NAMESPACE) { (fields) throws(EngineError) in
        fields.number(kind.rawValue)
        try fields.path(path)
      }
    case .execute(let arguments, let environment):
      guard !arguments.isEmpty else {
        throw EngineError(.invalidArgument, "cannot execute an empty command")
      }
      try encoder.operation(CLINUX_OP_EXECUTE) { (fields) throws(EngineError) in
        try fields.strings(arguments)
        try fields.strings(environment)
      }
    }
  }

  private var plainCode: clinux_operation_code {
    switch self {
    case .makeMountsPrivate: CLINUX_OP_MAKE_MOUNTS_PRIVATE
    case .setLoopbackUp: CLINUX_OP_SET_LOOPBACK_UP
    case .pivotRoot: CLINUX_OP_PIVOT_ROOT
    case .remountRootReadOnly: CLINUX_OP_REMOUNT_ROOT_READ_ONLY
    case .newSession: CLINUX_OP_NEW_SESSION
    case .awaitStart: CLINUX_OP_AWAIT_START
    case .becomeRoot: CLINUX_OP_BECOME_ROOT
    case .reapOrphans: CLINUX_OP_REAP_ORPHANS
    case .awaitGroups: CLINUX_OP_AWAIT_GROUPS
    case .makeStage: CLINUX_OP_MAKE_STAGE
    case .enterStage: CLINUX_OP_ENTER_STAGE
    default: CLINUX_OP_SET_NO_NEW_PRIVILEGES
    }
  }

  private func encodeMount(to encoder: inout PlanEncoder) throws(EngineError) {
    switch self {
    case .mountOverlayRoot(let lowers, let upper, let work, let userXattrs, let isVolatile):
      try encoder.operation(CLINUX_OP_MOUNT_OVERLAY_ROOT) { (fields) throws(EngineError) in
        try fields.overlay(lowers, upper, work, userXattrs: userXattrs, isVolatile: isVolatile)
      }
    case .prepareRoot(let lowers, let upper, let work, let isVolatile):
      try encoder.operation(CLINUX_OP_PREPARE_ROOT) { (fields) throws(EngineError) in
        try fields.overlay(lowers, upper, work, userXattrs: false, isVolatile: isVolatile)
      }
    case .takeStaged(let target):
      try encoder.operation(CLINUX_OP_TAKE_STAGED) { (fields) throws(EngineError) in
        try fields.string(target)
      }
    case .bindRoot(let source):
      try encoder.operation(CLINUX_OP_BIND_ROOT) { (fields) throws(EngineError) in try fields.path(source) }
    case .mount(let type, let source, let target, let attributes, let options):
      try encoder.operation(CLINUX_OP_MOUNT) { (fields) throws(EngineError) in
        try fields.string(type)
        try fields.string(source)
        try fields.string(target)
        fields.number(attributes.rawValue)
        fields.number(options.count)
        for option in options {
          try fields.string(option.name)
          fields.number(option.value == nil ? 0 : 1)
          try fields.string(option.value ?? "")
        }
      }
    case .bind(let mount, let target):
      try encoder.operation(CLINUX_OP_BIND) { (fields) throws(EngineError) in
        try fields.bind(mount)
        try fields.string(target)
      }
    default: break
    }
  }

  private func encodeFile(to encoder: inout PlanEncoder) throws(EngineError) {
    switch self {
    case .makeDirectory(let target, let mode):
      try encoder.operation(CLINUX_OP_MAKE_DIRECTORY) { (fields) throws(EngineError) in
        try fields.string(target)
        fields.number(mode)
      }
    case .makeNode(let target, let mode, let major, let minor, let uid, let gid):
      try encoder.operation(CLINUX_OP_MAKE_NODE) { (fields) throws(EngineError) in
        try fields.string(target)
        fields.number(mode)
        fields.number(major)
        fields.number(minor)
        fields.number(uid)
        fields.number(gid)
      }
    case .makeSymlink(let target, let content):
      try encoder.operation(CLINUX_OP_MAKE_SYMLINK) { (fields) throws(EngineError) in
        try fields.string(target)
        try fields.string(content)
      }
    case .writeFile(let target, let mode, let content):
      try encoder.operation(CLINUX_OP_WRITE_FILE) { (fields) throws(EngineError) in
        try fields.string(target)
        fields.number(mode)
        fields.bytes(content)
      }
    case .maskPath(let path):
      try encoder.operation(CLINUX_OP_MASK_PATH) { (fields) throws(EngineError) in try fields.string(path) }
    case .readOnlyPath(let path):
      try encoder.operation(CLINUX_OP_READ_ONLY_PATH) { (fields) throws(EngineError) in
        try fields.string(path)
      }
    case .changeDirectory(let path):
      try encoder.operation(CLINUX_OP_CHANGE_DIRECTORY) { (fields) throws(EngineError) in
        try fields.string(path)
      }
    default: break
    }
  }

  private func encodeSetting(to encoder: inout PlanEncoder) throws(EngineError) {
    switch self {
    case .setHostname(let name):
      try encoder.operation(CLINUX_OP_SET_HOSTNAME) { (fields) throws(EngineError) in try fields.string(name)
      }
    case .setDomainname(let name):
      try encoder.operation(CLINUX_OP_SET_DOMAINNAME) { (fields) throws(EngineError) in
        try fields.string(name)
      }
    case .sysctl(let name, let value):
      try encoder.operation(CLINUX_OP_SYSCTL) { (fields) throws(EngineError) in
        try fields.string(name)
        try fields.string(value)
      }
    case .setResourceLimit(let resource, let soft, let hard):
      encoder.numbers(CLINUX_OP_SET_RESOURCE_LIMIT, [UInt64(resource), soft, hard])
    case .setOOMScoreAdjust(let value):
      encoder.numbers(CLINUX_OP_SET_OOM_SCORE_ADJUST, [UInt64(bitPattern: Int64(value))])
    case .setUmask(let mask):
      encoder.numbers(CLINUX_OP_SET_UMASK, [UInt64(mask)])
    case .setGroups(let groups):
      encoder.numbers(CLINUX_OP_SET_GROUPS, [UInt64(groups.count)] + groups.map { UInt64($0) })
    case .setUser(let uid, let gid):
      encoder.numbers(CLINUX_OP_SET_USER, [UInt64(uid), UInt64(gid)])
    case .dropBoundingCapabilities(let keep):
      encoder.numbers(CLINUX_OP_DROP_BOUNDING_CAPABILITIES, [keep])
    case .setCapabilities(let effective, let permitted, let inheritable, let ambient):
      encoder.numbers(CLINUX_OP_SET_CAPABILITIES, [effective, permitted, inheritable, ambient])
    case .loadSeccomp(let program):
      try encoder.operation(CLINUX_OP_LOAD_SECCOMP) { (fields) throws(EngineError) in fields.bytes(program) }
    default: break
    }
  }
}

extension LaunchPlan.Operation {
  private func encode(_ hook: LaunchPlan.Hook, to encoder: inout PlanEncoder) throws(EngineError) {
    try encoder.operation(CLINUX_OP_RUN_HOOK) { (fields) throws(EngineError) in
      try fields.string(hook.path)
      try fields.strings(hook.arguments)
      try fields.strings(hook.environment)
      fields.number(hook.timeout ?? -1)
      try fields.string(hook.stateBeforePid)
      try fields.string(hook.stateAfterPid)
    }
  }
}

extension PlanEncoder {
  fileprivate mutating func overlay(
    _ lowers: [FilePath], _ upper: FilePath, _ work: FilePath, userXattrs: Bool, isVolatile: Bool
  ) throws(EngineError) {
    number(lowers.count)
    for lower in lowers { try path(lower) }
    try path(upper)
    try path(work)
    number(userXattrs ? 1 : 0)
    number(isVolatile ? 1 : 0)
  }

  mutating func bind(_ mount: LaunchPlan.BindMount) throws(EngineError) {
    try path(mount.source)
    try string(mount.subpath ?? "")
    number(mount.process ?? 0)
    number(mount.isRecursive ? 1 : 0)
    number(mount.attributes.rawValue)
    number(mount.allAttributes.rawValue)
    number(mount.propagation.rawValue)
    number(mount.isPropagationRecursive ? 1 : 0)
    number(mount.isIDMapped ? 1 : 0)
  }

  mutating func numbers(_ code: clinux_operation_code, _ values: [UInt64]) {
    var header = clinux_operation(code: code.rawValue, size: UInt32(values.count * 8))
    append(&header)
    for value in values { number(value) }
  }
}
