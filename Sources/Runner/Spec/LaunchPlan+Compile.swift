package import EngineErrors
package import OCIModel
import SystemPackage

extension LaunchPlan {
  /// Decides all that starting a container takes.
  ///
  /// - Parameters:
  ///   - isRootless: whether devices have to be bound from the host, since a user namespace may make none.
  ///   - groups: where the container's control group is; nil where it is to have none, and then shows none.
  /// - Throws: `invalidArgument` or `unsupported`, with the member of the configuration as the subject.
  package static func compile(
    spec: RuntimeSpec, root: OverlayRoot, isRootless: Bool, groups: ControlGroupView? = nil
  ) throws(EngineError) -> LaunchPlan {
    guard let process = spec.process else {
      throw EngineError(.invalidArgument, "the configuration has no process", subject: "process")
    }
    let linux = spec.linux ?? RuntimeSpec.Linux()
    var (namespaces, joins) = try NamespaceCompiler.compile(linux.namespaces ?? [])
    var host = try HostPreparation(linux, joins: joins, isRootless: isRootless)
    // The shim makes it, and the process joins it.
    namespaces.remove(.user)
    var operations: [Operation] = [.makeMountsPrivate, try host.root(root)]
    // In the host's directories until then, and in the container's from then on.
    if host.hasUsers { operations.append(.becomeRoot) }
    for mount in spec.mounts ?? [] where !mount.showsGroups { operations.append(try host.mount(mount)) }
    // In the host's own /dev, or one that somebody made, nothing is made.
    if !(spec.mounts ?? []).contains(where: \.isBoundDev) {
      operations += devices(linux, isRootless: isRootless || host.hasUsers)
    }
    if namespaces.contains(.network) { operations.append(.setLoopbackUp) }
    if let hostname = spec.hostname, namespaces.contains(.uts) { operations.append(.setHostname(hostname)) }
    if let domainname = spec.domainname, namespaces.contains(.uts) {
      operations.append(.setDomainname(domainname))
    }
    if let terminal = terminal(process, bindsConsole: true) { operations.append(terminal) }
    // As late as can be: with v1 the process is only then in its groups.
    if let groups, let mount = spec.mounts?.first(where: \.showsGroups) {
      let hasNamespace = NamespaceCompiler.listed(linux.namespaces ?? []).contains(.cgroup)
      operations.append(.awaitGroups)
      operations += try groups.operations(mount, hasNamespace: hasNamespace)
    }
    operations.append(.pivotRoot)
    operations += try SysctlCompiler.operations(
      linux.sysctl, own: NamespaceCompiler.listed(linux.namespaces ?? []))
    operations += (linux.readonlyPaths ?? []).map(Operation.readOnlyPath)
    operations += (linux.maskedPaths ?? []).map(Operation.maskPath)
    // By root: the process's user could not.
    if process.cwd != "/" { operations.append(.makeDirectory(target: process.cwd, mode: 0o755)) }
    if spec.root.readonly == true { operations.append(.remountRootReadOnly) }
    // All that takes long is done; what follows may take away the right to the call that waits.
    operations.append(.awaitStart)
    operations += try processOperations(process, linux.seccomp, hasUsers: host.hasUsers)
    return LaunchPlan(namespaces: namespaces, operations: host.operations + operations)
  }

  /// A further command in a container: the same process settings, without namespaces and mounts.
  ///
  /// - Parameter hasUsers: whether the container has a user namespace of its own.
  package static func compileExec(
    _ process: RuntimeSpec.Process, seccomp: RuntimeSpec.Seccomp?, hasUsers: Bool = false
  ) throws(EngineError) -> LaunchPlan {
    let terminal = terminal(process, bindsConsole: false).map { [$0] } ?? []
    return LaunchPlan(
      namespaces: [], operations: try terminal + processOperations(process, seccomp, hasUsers: hasUsers))
  }

  static func terminal(_ process: RuntimeSpec.Process, bindsConsole: Bool) -> Operation? {
    guard process.terminal == true else { return nil }
    let size = process.consoleSize ?? .init(height: 24, width: 80)
    return .openTerminal(
      rows: UInt16(clamping: size.height), columns: UInt16(clamping: size.width), bindsConsole: bindsConsole)
  }

  /// The end of every plan. The order matters: the bounding set is dropped while there is the capability to; a filter
  /// without no_new_privs is loaded while there is the capability to, and one with it as late as can be.
  static func processOperations(
    _ process: RuntimeSpec.Process, _ seccomp: RuntimeSpec.Seccomp?, hasUsers: Bool = false
  ) throws(EngineError) -> [Operation] {
    guard let program = process.args.first, !program.isEmpty else {
      throw EngineError(
        .invalidArgument, "there is no command to run", subject: "process.args",
        hint: "the image names none; give one")
    }
    for text in process.args + (process.env ?? []) + [process.cwd] where text.utf8.contains(0) {
      throw EngineError(.invalidArgument, "a command or variable has a NUL in it", subject: "process")
    }
    guard process.cwd.hasPrefix("/") else {
      throw EngineError(
        .invalidArgument, "the working directory is not absolute: \(process.cwd)", subject: "process.cwd")
    }
    var operations: [Operation] = []
    for limit in process.rlimits ?? [] {
      guard let number = ResourceLimits.numbers[limit.type] else {
        throw EngineError(.invalidArgument, "not a resource limit: \(limit.type)", subject: "process.rlimits")
      }
      operations.append(.setResourceLimit(resource: number, soft: limit.soft, hard: limit.hard))
    }
    // Before a filter is loaded, which seals the process.
    if let umask = process.user.umask { operations.append(.setUmask(umask)) }
    if let adjust = process.oomScoreAdj { operations.append(.setOOMScoreAdjust(adjust)) }
    var filter: [UInt8]?
    if let seccomp {
      do { filter = try SeccompCompiler.program(seccomp) } catch {
        throw EngineError("compile the seccomp profile", wrapping: error, subject: "linux.seccomp")
      }
    }
    let hasNoNewPrivileges = process.noNewPrivileges == true
    let set = CapabilityMasks(process, isWithinUserNamespace: hasUsers)
    operations.append(.dropBoundingCapabilities(keep: set.bounding))
    if let filter, !hasNoNewPrivileges { operations.append(.loadSeccomp(program: filter)) }
    operations.append(.setGroups(process.user.additionalGids ?? []))
    operations.append(.setUser(uid: process.user.uid, gid: process.user.gid))
    operations.append(
      .setCapabilities(
        effective: set.effective, permitted: set.permitted, inheritable: set.inheritable, ambient: set.ambient
      ))
    operations.append(.changeDirectory(process.cwd))
    if hasNoNewPrivileges {
      operations.append(.setNoNewPrivileges)
      if let filter { operations.append(.loadSeccomp(program: filter)) }
    }
    operations.append(.execute(arguments: process.args, environment: process.env ?? []))
    return operations
  }

  static func devices(_ linux: RuntimeSpec.Linux, isRootless: Bool) -> [Operation] {
    let nodes: [Operation] = (linux.devices ?? []).map { device in
      isRootless
        ? .bind(source: FilePath(device.path), target: device.path, recursive: false, attributes: [])
        : .makeNode(
          target: device.path, mode: device.kindBits | (device.fileMode ?? 0o666) & 0o7777,
          major: device.major ?? 0, minor: device.minor ?? 0, uid: device.uid ?? 0, gid: device.gid ?? 0)
    }
    let links = [
      ("/dev/fd", "/proc/self/fd"), ("/dev/stdin", "/proc/self/fd/0"), ("/dev/stdout", "/proc/self/fd/1"),
      ("/dev/stderr", "/proc/self/fd/2"), ("/dev/ptmx", "pts/ptmx"),
    ]
    return nodes + links.map { .makeSymlink(target: $0.0, content: $0.1) }
  }
}

extension RuntimeSpec.Device {
  /// Of st_mode.
  fileprivate var kindBits: UInt32 {
    switch type {
    case "b": 0o060000
    case "p": 0o010000
    default: 0o020000
    }
  }
}

extension RuntimeSpec.Mount {
  /// Whether it is of cgroup hierarchies, of whichever version.
  fileprivate var showsGroups: Bool { type == "cgroup" }

  fileprivate var isBoundDev: Bool {
    FilePath(destination).lexicallyNormalized().string == "/dev"
      && (type == "bind" || (options ?? []).contains { $0 == "bind" || $0 == "rbind" })
  }
}
