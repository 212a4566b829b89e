import EngineErrors
import OCIModel
import Runner

extension RuntimeSpec {
  /// What a container may do and see besides the defaults, or instead of them, as its options say.
  ///
  /// - Throws: `invalidArgument`, `notFound`, `permissionDenied` or `unsupported`, with the option as the subject.
  mutating func isolate(
    _ options: ContainerOptions, _ users: UserDatabase, volumes: [Mount], isWithinUserNamespace: Bool,
    isRootless: Bool
  ) throws(EngineError) {
    let isPrivileged = options.isPrivileged == true
    let adds = isPrivileged ? ["ALL"] + (options.addedCapabilities ?? []) : options.addedCapabilities
    if adds != nil || options.droppedCapabilities != nil {
      process?.capabilities = Capabilities(
        try Capability.set(
          adding: adds, dropping: options.droppedCapabilities, isWithinUserNamespace: isWithinUserNamespace))
    }
    if let groups = options.addedGroups, !groups.isEmpty {
      process?.user.add(try users.groups(groups))
    }
    try isolate(system: options, isPrivileged: isPrivileged)
    let devices = try ContainerDevices(options, canMake: !isWithinUserNamespace)
    // Before its own ones are among them.
    let makesNodes = !isWithinUserNamespace && process?.capabilities?.bounding?.contains("CAP_MKNOD") == true
    let isLimited = options.devices?.contains(where: \.isLimited) ?? false
    if !isPrivileged, !isRootless, makesNodes || isLimited { guardDevices(given: devices.rules) }
    linux?.devices?.append(contentsOf: devices.nodes)
    mounts = (mounts ?? []) + devices.binds
    if isPrivileged { mounts = mounts?.map(\.writableSysfs) }
    let own = options.mounts ?? []
    if !own.isEmpty || !volumes.isEmpty {
      mounts = try ContainerMounts(own, volumes: volumes, isRootless: isRootless).merged(with: mounts ?? [])
    }
  }

  private mutating func isolate(
    system options: ContainerOptions, isPrivileged: Bool
  ) throws(EngineError) {
    guard var linux else { return }
    switch options.seccomp ?? (isPrivileged ? .unconfined : .default) {
    case .default: break
    case .unconfined: linux.seccomp = nil
    case .custom(let text):
      linux.seccomp = try SeccompProfile.parse(
        text, capabilities: process?.capabilities?.bounding ?? [])
    }
    if isPrivileged {
      linux.maskedPaths = []
      linux.readonlyPaths = []
    }
    if let paths = options.maskedPaths { linux.maskedPaths = try Self.absolute(paths, "maskedPaths") }
    if let paths = options.readOnlyPaths { linux.readonlyPaths = try Self.absolute(paths, "readOnlyPaths") }
    if let sysctls = options.sysctls, !sysctls.isEmpty {
      linux.sysctl = sysctls
      var checked = linux
      checked.namespaces = try NamespacePlan(options).listed
      try SysctlCompiler.check(checked)
    }
    self.linux = linux
  }

  private static func absolute(_ paths: [String], _ subject: String) throws(EngineError) -> [String] {
    for path in paths where !path.hasPrefix("/") || path.utf8.contains(0) {
      throw EngineError(.invalidArgument, "not an absolute path: \(path.prefix(200))", subject: subject)
    }
    return paths
  }
}

extension RuntimeSpec.User {
  mutating func add(_ groups: [UInt32]) {
    additionalGids = Set((additionalGids ?? []) + groups).sorted()
  }
}

extension RuntimeSpec.Capabilities {
  /// The same in all sets that a program started by root has; none that a program inherits (CVE-2022-24769).
  fileprivate init(_ names: [String]) { self.init(bounding: names, effective: names, permitted: names) }
}

extension RuntimeSpec.Mount {
  fileprivate var writableSysfs: RuntimeSpec.Mount {
    guard ["/sys", "/sys/fs/cgroup"].contains(destination) else { return self }
    var mount = self
    mount.options = options?.filter { $0 != "ro" && $0 != "rro" }
    return mount
  }
}
