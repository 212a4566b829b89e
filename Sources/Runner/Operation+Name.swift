import SystemPackage

extension LaunchPlan.Operation {
  /// What the operation does, for a message: `mount proc on /proc`.
  var name: String {
    switch self {
    case .makeMountsPrivate: "make the mounts private"
    case .mountOverlayRoot: "mount the overlay root"
    case .bindRoot(let source): "bind \(source) as the root"
    case .mount(let type, _, let target, _, _): "mount \(type) on \(target)"
    case .bind(let mount, let target): "bind \(mount.place) on \(target)"
    case .makeDirectory(let target, _): "make directory \(target)"
    case .makeNode(let target, _, _, _, _, _): "make device \(target)"
    case .makeSymlink(let target, _): "make link \(target)"
    case .writeFile(let target, _, _): "write \(target)"
    case .setLoopbackUp: "bring up the loopback interface"
    case .awaitCreator: "wait for the runtime's hooks"
    case .runHook(let hook): "run the hook \(hook.path)"
    case .findCommand(let command, _): "find \(command)"
    case .awaitRelease: "wait for the start"
    case .setHostname(let name): "set the host name \(name)"
    case .setDomainname(let name): "set the domain name \(name)"
    case .pivotRoot: "enter the new root"
    case .remountRootReadOnly: "make the root read-only"
    case .maskPath(let path): "mask \(path)"
    case .readOnlyPath(let path): "make \(path) read-only"
    case .sysctl(let name, let value): "set sysctl \(name) to \(value)"
    case .setResourceLimit(let resource, let soft, let hard):
      "set resource limit \(resource) to \(soft):\(hard)"
    case .setOOMScoreAdjust(let value): "set the OOM score adjustment to \(value)"
    case .setUmask: "set the umask"
    case .newSession: "start a session"
    case .openTerminal: "open a terminal"
    case .setGroups: "set the supplementary groups"
    case .setUser(let uid, let gid): "become user \(uid):\(gid)"
    case .awaitStart: "wait for the start"
    case .dropBoundingCapabilities: "drop bounding capabilities"
    case .setCapabilities: "set the capabilities"
    case .setNoNewPrivileges: "set no_new_privs"
    case .loadSeccomp: "load the seccomp filter"
    case .changeDirectory(let path): "change directory to \(path)"
    case .reapOrphans: "become the first process"
    case .execute(let arguments, _): "execute \(arguments.first ?? "")"
    case .joinNamespace(let kind, let path): "join the \(kind.fileName ?? "") namespace \(path)"
    case .hold(let path): "hold \(path)"
    case .mapUsers: "make the user namespace"
    case .prepareOverlay: "mount the overlay root with mapped ids"
    case .prepareBind(let mount): "bind \(mount.place)"
    case .attachRoot: "attach the root"
    case .attach(_, let target): "mount on \(target)"
    case .awaitGroups: "join the control groups"
    case .propagateRoot: "set the propagation of the root"
    case .makeStage: "make the stage"
    case .enterStage: "enter the stage"
    case .takeStaged(let target): "move what was made ahead to \(target)"
    case .prepareRoot: "mount the overlay root"
    case .becomeRoot: "become root of the user namespace"
    }
  }
}

extension LaunchPlan.BindMount {
  fileprivate var place: FilePath { subpath.map { source.appending($0) } ?? source }
}
