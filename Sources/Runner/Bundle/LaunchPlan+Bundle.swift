package import EngineErrors
package import OCIModel
package import SystemPackage

/// What a configuration does not say, and compiling it for an OCI runtime takes.
package struct BundleContext {
  /// Absolute; the root of the container is a bind mount of it.
  package var rootfs: FilePath
  /// What the relative sources of bind mounts are relative to.
  package var bundle: FilePath
  /// Whether this process, or the container's, is in a user namespace other than the machine's: it can make no devices.
  package var isRootless: Bool
  /// Whether this process may make mounts in its own mount namespace, and change groups.
  package var isPrivileged: Bool
  /// Hooks of the runtime run before the root is entered.
  package var hasRuntimeHooks: Bool
  package var createContainer: [LaunchPlan.Hook] = []
  package var startContainer: [LaunchPlan.Hook] = []
  package var controlGroups: ControlGroupView

  package init(
    rootfs: FilePath, bundle: FilePath, isRootless: Bool, isPrivileged: Bool, hasRuntimeHooks: Bool,
    controlGroups: ControlGroupView
  ) {
    self.rootfs = rootfs
    self.bundle = bundle
    self.isRootless = isRootless
    self.isPrivileged = isPrivileged
    self.hasRuntimeHooks = hasRuntimeHooks
    self.controlGroups = controlGroups
  }
}

extension LaunchPlan {
  /// Decides all that creating a container from a bundle takes; its process then waits for the start.
  ///
  /// - Throws: `invalidArgument` or `unsupported`, with the member of the configuration as the subject.
  package static func compile(bundle spec: RuntimeSpec, _ context: BundleContext) throws(EngineError)
    -> LaunchPlan
  {
    guard let process = spec.process else {
      throw EngineError(.invalidArgument, "the configuration has no process", subject: "process")
    }
    let linux = spec.linux ?? RuntimeSpec.Linux()
    var (namespaces, joins) = try NamespaceCompiler.compile(linux.namespaces ?? [])
    var host = try HostPreparation(linux, joins: joins, isPrivileged: context.isPrivileged)
    // The shim makes it, and the process joins it.
    namespaces.remove(.user)
    var operations: [Operation] = [.makeMountsPrivate]
    let propagation = try rootPropagation(linux.rootfsPropagation)
    operations.append(try host.root(context.rootfs, propagation))
    // In the host's directories until then, and in the container's from then on.
    if host.hasUsers { operations.append(.becomeRoot) }
    let mounts = spec.mounts ?? []
    for mount in mounts { operations += try Self.operations(mount, namespaces, context, &host) }
    if !operations.contains(.awaitGroups) { operations.append(.awaitGroups) }
    // With the host's /dev there, nothing is made in it.
    if !mounts.contains(where: { $0.destination == "/dev" && $0.isBind }) {
      operations += bundleDevices(linux, mounts, isRootless: context.isRootless || host.hasUsers)
    }
    if namespaces.contains(.network) { operations.append(.setLoopbackUp) }
    if let hostname = spec.hostname, !hostname.isEmpty, namespaces.contains(.uts) {
      operations.append(.setHostname(hostname))
    }
    if let domainname = spec.domainname, !domainname.isEmpty, namespaces.contains(.uts) {
      operations.append(.setDomainname(domainname))
    }
    if context.hasRuntimeHooks { operations.append(.awaitCreator) }
    operations += context.createContainer.map(Operation.runHook)
    if let terminal = terminal(process, bindsConsole: true) { operations.append(terminal) }
    operations.append(.pivotRoot)
    if let propagation, propagation.kind != .slave {
      operations.append(.propagateRoot(propagation.kind, recursive: propagation.isRecursive))
    }
    operations += try SysctlCompiler.operations(
      linux.sysctl, own: NamespaceCompiler.listed(linux.namespaces ?? []))
    // By root, and while the root can be written to.
    if process.cwd != "/" { operations.append(.makeDirectory(target: process.cwd, mode: 0o755)) }
    operations += (linux.readonlyPaths ?? []).map(Operation.readOnlyPath)
    operations += (linux.maskedPaths ?? []).map(Operation.maskPath)
    if spec.root.readonly == true { operations.append(.remountRootReadOnly) }
    var last = try processOperations(process, linux.seccomp, hasUsers: host.hasUsers)
    // Where groups cannot be changed, the kernel refuses that none are set as well.
    if !context.isPrivileged, !host.mapsGroups { last.removeAll { $0 == .setGroups([]) } }
    operations += waiting(last, process, context.startContainer)
    return LaunchPlan(namespaces: namespaces, operations: host.operations + operations)
  }

  private static func rootPropagation(
    _ word: String?
  ) throws(EngineError) -> (kind: BindMount.Propagation, isRecursive: Bool)? {
    guard let word, !word.isEmpty else { return nil }
    let kinds: [String: BindMount.Propagation] = [
      "private": .private, "slave": .slave, "shared": .shared, "unbindable": .unbindable,
    ]
    if let kind = kinds[word] { return (kind, false) }
    if word.hasPrefix("r"), let kind = kinds[String(word.dropFirst())] { return (kind, true) }
    throw EngineError(
      .invalidArgument, "not a propagation: \(word)", subject: "linux.rootfsPropagation",
      hint: "it is private, slave, shared or unbindable, or with an r in front for what is mounted beneath")
  }

  /// Puts the wait for the start where all that can fail has been done, but for what must be last.
  private static func waiting(
    _ operations: [Operation], _ process: RuntimeSpec.Process, _ hooks: [Hook]
  ) -> [Operation] {
    let path = (process.env ?? []).first { $0.hasPrefix("PATH=") }.map { String($0.dropFirst(5)) }
    var waiting: [Operation] = []
    for operation in operations {
      waiting.append(operation)
      if case .changeDirectory = operation {
        waiting += [.findCommand(process.args.first ?? "", path: path ?? Self.standardPath), .awaitRelease]
        waiting += hooks.map(Operation.runHook)
      }
    }
    return waiting
  }

  private static var standardPath: String { "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" }

  private static func operations(
    _ mount: RuntimeSpec.Mount, _ namespaces: Namespaces, _ context: BundleContext,
    _ host: inout HostPreparation
  ) throws(EngineError) -> [Operation] {
    if mount.type == "cgroup" || mount.type == "cgroup2", !mount.isBind {
      return try [.awaitGroups]
        + context.controlGroups.operations(mount, hasNamespace: namespaces.contains(.cgroup))
    }
    var mount = mount
    if mount.isBind, let source = mount.source, !source.hasPrefix("/") {
      mount.source = context.bundle.appending(source).string
    }
    // It begins empty; the caller is warned.
    mount.options = mount.options?.filter { $0 != "tmpcopyup" }
    return [try host.mount(mount)]
  }

  private static func bundleDevices(
    _ linux: RuntimeSpec.Linux, _ mounts: [RuntimeSpec.Mount], isRootless: Bool
  ) -> [Operation] {
    var linux = linux
    let named = Set((linux.devices ?? []).map(\.path))
    let standard = RuntimeSpec.defaultLinux(namespaces: []).devices ?? []
    linux.devices = standard.filter { !named.contains($0.path) } + (linux.devices ?? [])
    return devices(linux, isRootless: isRootless)
      + (isRootless ? [] : [.makeSymlink(target: "/dev/core", content: "/proc/kcore")])
  }
}

extension RuntimeSpec.Mount {
  /// Whether it is a bind mount, by its type or its options.
  package var isBind: Bool {
    type == "bind" || (options ?? []).contains { $0 == "bind" || $0 == "rbind" }
  }
}
