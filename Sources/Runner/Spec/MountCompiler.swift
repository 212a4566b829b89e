package import EngineErrors
package import OCIModel
import SystemPackage

/// A mount of OCI's configuration to an operation: its options are attributes of every mount, or the file system's own.
package enum MountCompiler {
  /// What runc lets a mount cover in /proc: files that say how much there is of something.
  private static let coverable: Set<String> = [
    "/proc/cpuinfo", "/proc/diskstats", "/proc/meminfo", "/proc/stat", "/proc/swaps", "/proc/uptime",
    "/proc/loadavg", "/proc/slabinfo", "/proc/sys/kernel/ns_last_pid", "/proc/sys/crypto/fips_enabled",
  ]

  /// Of a bind: what of the source is mounted, a path beneath it. No option of OCI's, which has none for it.
  package static let subpathOption = "x-coracle.subpath="

  /// Of a bind: that its source is in the mount namespace of this process, whose IPC namespace is joined.
  package static let processOption = "x-coracle.process="

  /// - Returns: without slashes at its ends.
  /// - Throws: `invalidArgument` for one that is empty, or goes up.
  package static func checkedSubpath(_ subpath: String, of target: String) throws(EngineError) -> String {
    let names = subpath.split(separator: "/").filter { $0 != "." }
    guard !names.isEmpty, !names.contains(".."), !subpath.utf8.contains(0) else {
      throw EngineError(
        .invalidArgument, "not a path beneath the source of a mount: '\(subpath.prefix(200))'",
        subject: target,
        hint: "a subpath has a name and no ..")
    }
    return names.joined(separator: "/")
  }

  /// The options that are attributes of every mount, in all their forms.
  package static var options: [String] { Options.known }

  /// Whether it can be mounted, as far as the configuration alone tells.
  ///
  /// - Throws: `invalidArgument` or `unsupported`.
  package static func check(_ mount: RuntimeSpec.Mount) throws(EngineError) {
    _ = try operation(mount, canMap: true)
  }

  /// - Parameter canMap: whether somebody makes mounts whose ids are mapped.
  static func operation(
    _ mount: RuntimeSpec.Mount, canMap: Bool = false
  ) throws(EngineError) -> LaunchPlan.Operation {
    guard mount.destination.hasPrefix("/") else {
      throw EngineError(
        .invalidArgument, "a mount's destination is not absolute: \(mount.destination)", subject: "mounts",
        hint: "begin it with /")
    }
    let target = FilePath(mount.destination).lexicallyNormalized().string
    if target == "/" {
      throw EngineError(
        .invalidArgument, "a mount cannot be the container's root", subject: mount.destination,
        hint: "mount it on a directory beneath")
    }
    var options = Options(isBind: mount.type == "bind")
    for option in mount.options ?? [] { try options.take(option, of: mount.destination) }
    if target == "/proc" || target.hasPrefix("/proc/") {
      try checkProc(mount, target, isBind: options.isBind)
    }
    if options.isBind {
      guard let source = mount.source, source.hasPrefix("/") else {
        throw EngineError(
          .invalidArgument, "a bind mount's source is not absolute: \(mount.source ?? "")", subject: "mounts",
          hint: "begin it with /")
      }
      var bind = LaunchPlan.BindMount(
        FilePath(source), isRecursive: options.isRecursive, attributes: options.attributes)
      bind.allAttributes = options.allAttributes
      bind.propagation = options.propagation
      bind.isPropagationRecursive = options.isPropagationRecursive
      bind.isIDMapped = options.isIDMapped
      bind.subpath = options.subpath
      bind.process = options.process
      if bind.isIDMapped, !canMap {
        throw EngineError(
          .unsupported, "mapped mounts are not supported here", subject: target,
          hint: "leave out idmap")
      }
      return .bind(bind, target: mount.destination)
    }
    guard let type = mount.type, !type.isEmpty else {
      throw EngineError(.invalidArgument, "the mount at \(mount.destination) has no type", subject: "mounts")
    }
    return .mount(
      type: type, source: mount.source ?? type, target: mount.destination,
      attributes: options.attributes.union(options.allAttributes), options: options.own)
  }

  /// Over procfs itself, or over a file of it that something trusts, nothing is mounted but a procfs, or the host's.
  private static func checkProc(
    _ mount: RuntimeSpec.Mount, _ target: String, isBind: Bool
  ) throws(EngineError) {
    let isProcfs = mount.type == "proc" || (isBind && mount.source == "/proc")
    if target == "/proc" ? isProcfs : coverable.contains(target) { return }
    throw EngineError(
      .invalidArgument, "nothing can be mounted on \(target): the kernel's files are there", subject: target,
      hint: "mount it elsewhere")
  }

  /// What a mount's options add up to.
  private struct Options {
    var isBind: Bool
    var isRecursive = false
    var attributes: LaunchPlan.MountAttributes = []
    var allAttributes: LaunchPlan.MountAttributes = []
    var propagation = LaunchPlan.BindMount.Propagation.unchanged
    var isPropagationRecursive = false
    var isIDMapped = false
    var subpath: String?
    var process: Int32?
    var own: [LaunchPlan.MountOption] = []

    private static let flags: [String: LaunchPlan.MountAttributes] = [
      "ro": .readOnly, "nosuid": .noSetUserID, "nodev": .noDevices, "noexec": .noExecute,
      "noatime": .noAccessTimes, "strictatime": .strictAccessTimes, "nodiratime": .noDirectoryAccessTimes,
      "nosymfollow": .noSymlinks,
    ]
    /// Each takes back what was said before it.
    private static let opposites: [String: LaunchPlan.MountAttributes] = [
      "rw": .readOnly, "suid": .noSetUserID, "dev": .noDevices, "exec": .noExecute, "atime": .noAccessTimes,
      "relatime": [.noAccessTimes, .strictAccessTimes], "diratime": .noDirectoryAccessTimes,
      "symfollow": .noSymlinks, "nostrictatime": .strictAccessTimes, "norelatime": [], "defaults": [],
      "async": [], "silent": [], "loud": [],
    ]
    private static let propagations: [String: LaunchPlan.BindMount.Propagation] = [
      "private": .private, "slave": .slave, "shared": .shared, "unbindable": .unbindable,
    ]

    static var known: [String] {
      let prefixed = [String](flags.keys) + opposites.keys + propagations.keys
      return (prefixed + prefixed.map { "r" + $0 } + ["bind", "rbind", "idmap", "ridmap"]).sorted()
    }

    mutating func take(_ option: String, of target: String) throws(EngineError) {
      // An r in front is for all that is mounted beneath, too.
      let rest = option.hasPrefix("r") ? String(option.dropFirst()) : nil
      if let flag = Self.flags[option] {
        attributes.formUnion(flag)
      } else if let flag = Self.opposites[option] {
        attributes.subtract(flag)
      } else if option == "bind" || option == "rbind" {
        isBind = true
        isRecursive = isRecursive || option == "rbind"
      } else if let kind = Self.propagations[option] {
        propagation = kind
      } else if let rest, let kind = Self.propagations[rest] {
        propagation = kind
        isPropagationRecursive = true
      } else if let rest, let flag = Self.flags[rest] {
        allAttributes.formUnion(flag)
      } else if let rest, let flag = Self.opposites[rest] {
        allAttributes.subtract(flag)
      } else if option == "tmpcopyup" {
        throw EngineError(
          .unsupported, "a tmpfs that begins as a copy of what it covers is not supported", subject: target,
          hint: "leave out tmpcopyup")
      } else if option == "idmap" || option == "ridmap" {
        isIDMapped = true
      } else if option.hasPrefix(MountCompiler.subpathOption) {
        subpath = try MountCompiler.checkedSubpath(
          String(option.dropFirst(MountCompiler.subpathOption.count)), of: target)
      } else if option.hasPrefix(MountCompiler.processOption) {
        process = Int32(option.dropFirst(MountCompiler.processOption.count))
      } else {
        let parts = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(
          String.init)
        own.append(LaunchPlan.MountOption(parts[0], parts.count > 1 ? parts[1] : nil))
      }
    }
  }
}
