package import EngineErrors
import Glibc
import LinuxSystem
package import OCIModel
import Runner
import SystemPackage

extension OCIRuntime {
  /// Runs a further process in a container; returns when its command has been executed.
  ///
  /// - Parameter ignoresPause: in a paused container, wait until it is resumed; it is refused otherwise.
  /// - Returns: its number; it is a child of this process.
  /// - Throws: `notFound`; `conflict` if the container is not running; as `create` for a command that cannot be executed.
  package func exec(
    _ id: String, _ process: RuntimeSpec.Process, _ options: ProcessOptions, ignoresPause: Bool = false
  ) throws(EngineError) -> Int32 {
    let directory = try root.directory(of: id)
    let state = try directory.look()
    switch state.status {
    case .created, .running: break
    case .paused where ignoresPause: break
    case .paused:
      throw EngineError(
        .conflict, "cannot exec in a paused container", subject: id, hint: "resume it, or say --ignore-paused"
      )
    case .stopped, .creating:
      throw EngineError(.conflict, "cannot exec in a stopped container", subject: id)
    }
    guard let first = try firstProcess(state) else {
      throw EngineError(.conflict, "cannot exec in a stopped container", subject: id)
    }
    let seccomp = try configuration(directory).linux?.seccomp
    let hasUsers = namespaceName("user", of: "\(state.pid)") != namespaceName("user", of: "self")
    var plan = try LaunchPlan.compileExec(process, seccomp: seccomp, hasUsers: hasUsers)
    // Where groups cannot be changed, the kernel refuses that none are set as well.
    if geteuid() != 0, !Self.mayChangeGroups(state.pid) { plan.operations.removeAll { $0 == .setGroups([]) } }
    let streams = try ConsoleStreams(process, options)
    let started = try BundleLauncher(shim: shim).launch(
      .further(Self.differingNamespaces(of: state.pid), of: first, directory: directory.path), plan,
      streams: streams.descriptors, preserved: options.preserved)
    var pid: Int32 = 0
    var isExecuted = false
    while !isExecuted {
      switch try started.next() {
      case .cloned(let number): pid = number
      case .executed: isExecuted = true
      case .waiting, .created: break
      }
    }
    guard pid > 0 else { throw EngineError(.internal, "the container's process ended unexpectedly") }
    try Self.write(pid: pid, to: options.pidFile)
    return pid
  }

  /// The process of `exec` without a file: the container's own, but for its arguments.
  package func processTemplate(_ id: String) throws(EngineError) -> RuntimeSpec.Process {
    let spec = try configuration(try root.directory(of: id))
    guard var process = spec.process else {
      throw EngineError(.invalidArgument, "the configuration has no process", subject: "process")
    }
    process.terminal = false
    return process
  }

  private static func mayChangeGroups(_ pid: Int32) -> Bool {
    (try? readSmallFile(FilePath("/proc/\(pid)/setgroups"), limit: 16))?.hasPrefix("allow") == true
      && namespaceName("user", of: "\(pid)") != namespaceName("user", of: "self")
  }

  private static func differingNamespaces(of pid: Int32) -> LaunchPlan.Namespaces {
    let kinds: [(String, LaunchPlan.Namespaces)] = [
      ("mnt", .mount), ("pid", .pid), ("net", .network), ("uts", .uts), ("ipc", .ipc), ("cgroup", .cgroup),
      ("user", .user), ("time", .time),
    ]
    var differing: LaunchPlan.Namespaces = []
    for (name, kind) in kinds where namespaceName(name, of: "\(pid)") != namespaceName(name, of: "self") {
      differing.insert(kind)
    }
    return differing
  }
}
