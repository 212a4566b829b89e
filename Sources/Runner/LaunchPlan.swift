package import SystemPackage

/// All that `coracle-shim` does to start one process, decided beforehand: a flat list of operations with
/// their arguments, executed in order by the process and with the privilege that each says.
///
/// A plan holds no decisions: what the image, the caller and the host allow was settled when it was compiled.
package struct LaunchPlan: Hashable, Sendable {
  /// The `CLONE_NEW…` namespaces of the container's first process (`clone3`).
  package var namespaces: Namespaces
  /// Executed in order by the container's first process, inside its new namespaces; the last is `execute`.
  package var operations: [Operation]

  package init(namespaces: Namespaces, operations: [Operation]) {
    self.namespaces = namespaces
    self.operations = operations
  }

  /// Whether the process has a terminal of its own for its standard streams.
  var opensTerminal: Bool {
    operations.contains { if case .openTerminal = $0 { true } else { false } }
  }

  /// Whether the container gets a network namespace with its user namespace, which owns it: only with ids of its own.
  package var makesNetwork: Bool {
    get {
      operations.contains { if case .mapUsers(let mapping) = $0 { mapping.makesNetwork } else { false } }
    }
    set {
      operations = operations.map { operation in
        guard case .mapUsers(var mapping) = operation else { return operation }
        mapping.makesNetwork = newValue
        return .mapUsers(mapping)
      }
    }
  }

  package struct Namespaces: OptionSet, Hashable, Sendable {
    package let rawValue: UInt64
    package init(rawValue: UInt64) { self.rawValue = rawValue }
    // The values of linux/sched.h.
    package static let time = Namespaces(rawValue: 0x80)
    package static let mount = Namespaces(rawValue: 0x0002_0000)
    package static let cgroup = Namespaces(rawValue: 0x0200_0000)
    package static let uts = Namespaces(rawValue: 0x0400_0000)
    package static let ipc = Namespaces(rawValue: 0x0800_0000)
    package static let user = Namespaces(rawValue: 0x1000_0000)
    package static let pid = Namespaces(rawValue: 0x2000_0000)
    package static let network = Namespaces(rawValue: 0x4000_0000)

    /// Its name below `/proc/PID/ns`; nil where there is not exactly one.
    var fileName: String? {
      switch self {
      case .time: "time"
      case .mount: "mnt"
      case .cgroup: "cgroup"
      case .uts: "uts"
      case .ipc: "ipc"
      case .user: "user"
      case .pid: "pid"
      case .network: "net"
      default: nil
      }
    }
  }

  /// One step. Paths named `target` are inside the container and resolved beneath its root without leaving
  /// it (`openat2` with `RESOLVE_IN_ROOT`); paths named `source` are the host's.
  package enum Operation: Hashable, Sendable {
    /// Makes every mount private, so that nothing done here reaches the host.
    case makeMountsPrivate
    /// Mounts an overlay as the new root (`fsopen`, `fsconfig`, `fsmount`); later targets are beneath it.
    case mountOverlayRoot(
      lowers: [FilePath], upper: FilePath, work: FilePath, userXattrs: Bool, isVolatile: Bool = false)
    /// Bind-mounts a directory as the new root.
    case bindRoot(source: FilePath)
    /// Mounts a new file system; a missing target directory is made.
    case mount(
      type: String, source: String, target: String, attributes: MountAttributes,
      options: [MountOption])
    /// Binds a host file or directory; a missing target (file or directory, as the source is) is made.
    case bind(BindMount, target: String)
    case makeDirectory(target: String, mode: UInt16)
    case makeNode(
      target: String, mode: UInt32, major: UInt32, minor: UInt32, uid: UInt32 = 0, gid: UInt32 = 0)
    case makeSymlink(target: String, content: String)
    /// Writes a whole file of the container, such as /etc/hosts, made new.
    case writeFile(target: String, mode: UInt16, content: [UInt8])
    case setLoopbackUp
    /// For an OCI runtime: says that this operation has come, and waits for the creator's word.
    case awaitCreator
    /// For an OCI runtime: runs a program to its end inside, with the state as its standard input.
    case runHook(Hook)
    /// For an OCI runtime: fails as `execute` would for a command that is not there, or not executable.
    case findCommand(String, path: String)
    /// For an OCI runtime: says that all is made, and waits for the start; failures go to standard error from then on.
    case awaitRelease
    case setHostname(String)
    case setDomainname(String)
    /// Makes the new root the root, and detaches the old one.
    case pivotRoot
    case remountRootReadOnly
    /// After pivotRoot. A file is covered by /dev/null, a directory by an empty read-only tmpfs; missing paths are left.
    case maskPath(String)
    case readOnlyPath(String)
    /// After pivotRoot, through a procfs descriptor that was verified to be procfs.
    case sysctl(name: String, value: String)
    case setResourceLimit(resource: UInt32, soft: UInt64, hard: UInt64)
    case setOOMScoreAdjust(Int32)
    case setUmask(UInt16)
    case newSession
    /// Opens a terminal of the devpts at /dev/pts and makes it the standard streams and the controlling terminal of a new
    /// session. Its master is sent (SCM_RIGHTS, with one byte) on what standard input was until then, a local socket.
    /// - `bindsConsole`: it is bound on /dev/console too.
    case openTerminal(rows: UInt16, columns: UInt16, bindsConsole: Bool)
    case setGroups([UInt32])
    case setUser(uid: UInt32, gid: UInt32)
    /// Waits until the service says that what is prepared so far is to run; fails when the service is gone, or calls it off.
    case awaitStart
    /// Each a bit mask of capability numbers. The bounding set is dropped before the user changes; the rest is set after it.
    case dropBoundingCapabilities(keep: UInt64)
    case setCapabilities(effective: UInt64, permitted: UInt64, inheritable: UInt64, ambient: UInt64)
    case setNoNewPrivileges
    /// A classic BPF program as libseccomp exports it.
    case loadSeccomp(program: [UInt8])
    /// One that leads out through a descriptor is refused.
    case changeDirectory(String)
    /// Stays as the first process, hands signals on, reaps what is left to it, and ends as the command does, which a child of
    /// it executes.
    case reapOrphans
    /// Searched in PATH of `environment` inside the container when `arguments[0]` has no slash.
    case execute(arguments: [String], environment: [String])
    /// By the shim, before it clones the container's process, which is then in the namespace that the path is of. Such
    /// operations stand first.
    case joinNamespace(Namespaces, path: FilePath)
    /// By the shim: keeps a FIFO open for writing until its end.
    case hold(path: FilePath)
    /// By the shim: makes a user namespace with these maps, which the container's process joins.
    case mapUsers(UserMapping)
    /// By the shim, with the host's privilege: an overlay whose layers have their ids mapped, for `attachRoot`. What is
    /// written to it has the container's ids on the disk.
    case prepareOverlay(lowers: [FilePath], directory: FilePath, UserMapping)
    /// By the shim, in the host's mount namespace, for `attach`.
    case prepareBind(BindMount)
    /// What `prepareOverlay` made, as the new root.
    case attachRoot(slot: Int)
    /// What `prepareBind` made; a missing target (file or directory, as the source is) is made.
    case attach(slot: Int, target: String)
    /// Waits until the process is in its control groups, and makes its cgroup namespace, which begins there.
    case awaitGroups
    /// After pivotRoot: how mounts come to the root, and go from it, that are made later.
    case propagateRoot(BindMount.Propagation, recursive: Bool)
    /// A tmpfs as the root until `enterStage`: for what is made ahead of a container (StagedPlan).
    case makeStage
    /// Makes it the process's root, and detaches the host's mounts.
    case enterStage
    /// Moves what is mounted on a directory of the stage to the same one of the new root; it is made where it is missing.
    case takeStaged(target: String)
    /// By the shim, in the host's mount namespace: an overlay, for `attachRoot`.
    case prepareRoot(lowers: [FilePath], upper: FilePath, work: FilePath, isVolatile: Bool = false)
    /// Of the user namespace that the process is in, where it has all capabilities but is nobody.
    case becomeRoot
  }

  package struct Hook: Hashable, Sendable {
    package var path: String
    package var arguments: [String]
    package var environment: [String]
    /// In ms; nil is without an end.
    package var timeout: Int64?
    /// The state's JSON up to and after the process's number, which only the process itself knows as the container counts.
    package var stateBeforePid: String
    package var stateAfterPid: String

    package init(
      path: String, arguments: [String], environment: [String], timeout: Int64?, stateBeforePid: String,
      stateAfterPid: String
    ) {
      self.path = path
      self.arguments = arguments
      self.environment = environment
      self.timeout = timeout
      self.stateBeforePid = stateBeforePid
      self.stateAfterPid = stateAfterPid
    }
  }

  package struct MountAttributes: OptionSet, Hashable, Sendable {
    package let rawValue: UInt64
    package init(rawValue: UInt64) { self.rawValue = rawValue }
    // The MOUNT_ATTR_… values of linux/mount.h.
    package static let readOnly = MountAttributes(rawValue: 0x01)
    package static let noSetUserID = MountAttributes(rawValue: 0x02)
    package static let noDevices = MountAttributes(rawValue: 0x04)
    package static let noExecute = MountAttributes(rawValue: 0x08)
    package static let noAccessTimes = MountAttributes(rawValue: 0x10)
    package static let strictAccessTimes = MountAttributes(rawValue: 0x20)
    package static let noDirectoryAccessTimes = MountAttributes(rawValue: 0x80)
    package static let noSymlinks = MountAttributes(rawValue: 0x20_0000)
  }

  /// A copy of a mount of the host's (open_tree(2), mount_setattr(2)).
  package struct BindMount: Hashable, Sendable {
    package enum Propagation: UInt64, Hashable, Sendable {
      case unchanged = 0
      // The MS_… values of linux/mount.h.
      case unbindable = 0x2_0000
      case `private` = 0x4_0000
      case slave = 0x8_0000
      case shared = 0x10_0000
    }
    package var source: FilePath
    /// What of the source is mounted: a path beneath it, from which no link leads out (openat2(2), RESOLVE_BENEATH).
    package var subpath: String?
    /// Whose mount namespace the source is in, for `bind`: a process of the IPC namespace that is joined. Where it has gone when
    /// the container is started again by its rule, an empty tmpfs takes the place.
    package var process: Int32?
    /// With what is mounted beneath.
    package var isRecursive: Bool
    /// Of the mount itself.
    package var attributes: MountAttributes
    /// Of it and of what is mounted beneath.
    package var allAttributes: MountAttributes = []
    package var propagation = Propagation.unchanged
    package var isPropagationRecursive = false
    /// Whether ids are mapped as the container's user namespace maps them.
    package var isIDMapped = false

    package init(_ source: FilePath, isRecursive: Bool, attributes: MountAttributes = []) {
      self.source = source
      self.isRecursive = isRecursive
      self.attributes = attributes
    }
  }

  /// Ids of a container's own, from 0 on.
  package struct UserMapping: Hashable, Sendable {
    package struct Extent: Hashable, Sendable {
      package var inside: UInt32
      package var outside: UInt32
      package var count: UInt32
    }
    package var users: [Extent]
    package var groups: [Extent]
    /// Whether a network namespace is made with it, which all lives of the container have.
    package var makesNetwork = false

    /// The host's id of the container's root; nil where it has none.
    static func root(_ extents: [Extent]) -> UInt32? {
      extents.first { $0.inside == 0 && $0.count > 0 }?.outside
    }

    static func text(_ extents: [Extent]) -> String {
      extents.map { "\($0.inside) \($0.outside) \($0.count)\n" }.joined()
    }
  }

  /// A file system's own option for `fsconfig`; a nil value is a flag.
  package struct MountOption: Hashable, Sendable {
    package var name: String
    package var value: String?
    package init(_ name: String, _ value: String? = nil) {
      self.name = name
      self.value = value
    }
  }
}

extension LaunchPlan.Operation {
  package static func bind(
    source: FilePath, target: String, recursive: Bool, attributes: LaunchPlan.MountAttributes
  ) -> LaunchPlan.Operation {
    .bind(LaunchPlan.BindMount(source, isRecursive: recursive, attributes: attributes), target: target)
  }
}
