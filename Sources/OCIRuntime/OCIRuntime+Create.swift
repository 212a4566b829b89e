package import EngineErrors
import Glibc
import LinuxSystem
import OCIModel
import Runner
package import SystemPackage

extension OCIRuntime {
  /// Makes a container from a bundle; its command waits for `start`. On failure nothing is left.
  ///
  /// - Throws: `alreadyExists`; `invalidArgument` for the configuration's faults; what failed in the container.
  @discardableResult
  package func create(_ id: String, bundle: FilePath, _ options: ProcessOptions) throws(EngineError) -> Int32
  {
    let directory = try root.directory(of: id)
    let bundle = try Self.absolute(bundle)
    let spec = try Self.readConfiguration(bundle.appending("config.json"))
    let rootfs = spec.root.path.hasPrefix("/") ? FilePath(spec.root.path) : bundle.appending(spec.root.path)
    guard fileKind(resolvingLinks(rootfs)) == .directory else {
      throw EngineError(.notFound, "the container's root is no directory: \(rootfs)", subject: "root.path")
    }
    ignored(spec).forEach(warn)
    try checkDriver(spec)
    var state = ContainerState(
      id: id, bundle: bundle.string, rootfs: resolvingLinks(rootfs).string, ociVersion: Self.specVersion,
      created: Self.now())
    state.annotations = spec.annotations
    try directory.make()
    var made = MadeContainer(runtime: self, directory: directory, spec: spec, state: state)
    do throws(EngineError) {
      try made.make(options)
      return made.state.pid
    } catch {
      made.abandon()
      throw error
    }
  }

  /// What the configuration asks for that this runtime does not do.
  private func ignored(_ spec: RuntimeSpec) -> [String] {
    var warnings: [String] = []
    if spec.process?.apparmorProfile?.isEmpty == false {
      warnings.append("process.apparmorProfile is ignored")
    }
    if spec.process?.selinuxLabel?.isEmpty == false { warnings.append("process.selinuxLabel is ignored") }
    if spec.linux?.mountLabel?.isEmpty == false { warnings.append("linux.mountLabel is ignored") }
    for mount in spec.mounts ?? [] where mount.options?.contains("tmpcopyup") == true {
      warnings.append("tmpcopyup of \(mount.destination) is ignored: it begins empty")
    }
    return warnings
  }

  /// systemd's driver is a demand to leave the tree of groups to systemd, which is asked over D-Bus.
  private func checkDriver(_ spec: RuntimeSpec) throws(EngineError) {
    guard wantsSystemd else { return }
    throw EngineError(
      .unsupported,
      fileExists("/run/systemd/system")
        ? "control groups cannot be made by systemd"
        : "control groups cannot be made by systemd: this machine was not started with it",
      subject: "--systemd-cgroup",
      hint:
        "use the driver cgroupfs: podman --cgroup-manager cgroupfs, dockerd --exec-opt native.cgroupdriver=cgroupfs"
    )
  }

  private static func absolute(_ path: FilePath) throws(EngineError) -> FilePath {
    guard let resolved = realpath(path.string, nil) else {
      throw EngineError("find the bundle", SystemError("realpath", Errno(rawValue: errno), on: path.string))
    }
    defer { free(resolved) }
    return FilePath(String(cString: resolved))
  }

  /// RFC 3339, in UTC.
  package static func now() -> String {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    var parts = tm()
    gmtime_r(&time.tv_sec, &parts)
    func padded(_ value: some BinaryInteger, _ width: Int) -> String {
      let digits = String(value)
      return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
    return
      "\(padded(parts.tm_year + 1900, 4))-\(padded(parts.tm_mon + 1, 2))-\(padded(parts.tm_mday, 2))T\(padded(parts.tm_hour, 2)):\(padded(parts.tm_min, 2)):\(padded(parts.tm_sec, 2)).\(padded(time.tv_nsec, 9))Z"
  }
}

/// A container between its directory and the state `created`.
private struct MadeContainer {
  let runtime: OCIRuntime
  let directory: StateDirectory
  let spec: RuntimeSpec
  var state: ContainerState

  mutating func make(_ options: ProcessOptions) throws(EngineError) {
    try directory.write(state)
    let release = StartRelease(directory: directory.path)
    do {
      try copyConfiguration()
      try release.make()
    } catch {
      throw EngineError("make the state of container \(directory.id)", wrapping: error)
    }
    let plan = try plan(makeGroup(), options)
    let streams = try ConsoleStreams(spec.process, options)
    let process = try BundleLauncher(shim: runtime.shim).launch(
      .first(directory: directory.path), plan, streams: streams.descriptors, preserved: options.preserved)
    try follow(process)
    try OCIRuntime.write(pid: state.pid, to: options.pidFile)
    state.status = .created
    try directory.write(state)
  }

  private mutating func follow(_ process: BundleProcess) throws(EngineError) {
    var isCreated = false
    while !isCreated || state.pid == 0 {
      switch try process.next() {
      case .cloned(let pid):
        state.pid = pid
        guard let status = ProcessStatus(pid: pid) else { continue }
        state.startTime = status.startTime
        try directory.write(state)
      case .waiting:
        let hooks = RuntimeHooks(state: state)
        try hooks.run(spec.hooks?.prestart, named: "prestart")
        try hooks.run(spec.hooks?.createRuntime, named: "createRuntime")
        try process.go()
      case .created: isCreated = true
      case .executed: throw EngineError(.internal, "the container's process ended unexpectedly")
      }
    }
  }

  private func makeGroup() throws(EngineError) -> ControlGroup? {
    let place = try BundleControlGroup(spec.linux?.cgroupsPath, id: directory.id)
    var resources = spec.linux?.resources?.withStandardDevices()
    let isRootless = !OCIRuntime.ownsMachine
    // Which devices there are is the machine's to say; an ordinary user's containers cannot make any.
    if isRootless { resources?.devices = nil }
    guard place.isWanted(resources) else { return nil }
    return try place.make(resources, in: directory.path, isRootless: isRootless, warn: runtime.warn)
  }

  private func plan(_ group: ControlGroup?, _ options: ProcessOptions) throws(EngineError) -> LaunchPlan {
    let isRootless = !UserNamespace.isInitial || (spec.linux?.namespaces ?? []).contains { $0.type == "user" }
    let hasHooks = spec.hooks?.prestart?.isEmpty == false || spec.hooks?.createRuntime?.isEmpty == false
    var context = BundleContext(
      rootfs: FilePath(state.rootfs), bundle: FilePath(state.bundle), isRootless: isRootless,
      isPrivileged: geteuid() == 0, hasRuntimeHooks: hasHooks, controlGroups: .of(group))
    let hooks = RuntimeHooks(state: state)
    context.createContainer = try hooks.planned(spec.hooks?.createContainer, .creating)
    context.startContainer = try hooks.planned(spec.hooks?.startContainer, .created)
    var spec = spec
    let environment = (spec.process?.env ?? []) + options.environment
    spec.process?.env = environment
    return try LaunchPlan.compile(bundle: spec, context)
  }

  private func copyConfiguration() throws {
    let text = try readSmallFile(FilePath(state.bundle).appending("config.json"), limit: 64 << 20)
    try writeNewFile(directory.configuration, Array(text.utf8), mode: 0o600)
  }

  /// Ends what was started and removes all of it.
  func abandon() {
    if state.isAlive, let process = try? ProcessDescriptor(pid: state.pid) {
      try? process.signal(SIGKILL)
      _ = try? process.reap()  // A child of this process.
    }
    try? BundleControlGroup.remove(directory.path)
    try? directory.remove()
  }
}
