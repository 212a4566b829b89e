package import EngineErrors
package import OCIModel

/// Kernel parameters that a container may set: those that its own namespaces have for themselves. All others are the
/// whole machine's.
package enum SysctlCompiler {
  private static let ofIPC: Set<String> = [
    "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax",
    "kernel.shmmni", "kernel.shm_rmid_forced",
  ]
  private static let ofUTS: Set<String> = ["kernel.domainname", "kernel.hostname"]

  /// The operations for a configuration's parameters, sorted by name.
  ///
  /// - Throws: `invalidArgument` for one that belongs to no namespace, or to one that is the host's.
  static func operations(
    _ sysctls: [String: String]?, own: LaunchPlan.Namespaces
  ) throws(EngineError) -> [LaunchPlan.Operation] {
    var operations: [LaunchPlan.Operation] = []
    for (name, value) in (sysctls ?? [:]).sorted(by: { $0.key < $1.key }) {
      try check(name, value, own: own)
      operations.append(.sysctl(name: name, value: value))
    }
    return operations
  }

  /// Whether a configuration's parameters may be set.
  package static func check(_ linux: RuntimeSpec.Linux) throws(EngineError) {
    guard let sysctls = linux.sysctl, !sysctls.isEmpty else { return }
    _ = try operations(sysctls, own: NamespaceCompiler.listed(linux.namespaces ?? []))
  }

  private static func check(
    _ name: String, _ value: String, own: LaunchPlan.Namespaces
  ) throws(EngineError) {
    func refused(_ reason: String, hint: String? = nil) -> EngineError {
      EngineError(
        .invalidArgument, "cannot set the kernel parameter \(name.prefix(200)): \(reason)",
        subject: "sysctls",
        hint: hint)
    }
    // With a slash in it, dots are part of names, as the shim takes it.
    let parts = name.split(separator: name.contains("/") ? "/" : ".", omittingEmptySubsequences: false)
    guard parts.count > 1, !parts.contains(where: { $0.isEmpty || $0 == "." || $0 == ".." }),
      !name.utf8.contains(0), !value.utf8.contains(0)
    else { throw refused("that is no parameter's name", hint: "one is called as net.ipv4.ip_forward") }
    let dotted = parts.joined(separator: ".")
    let owner: (kind: LaunchPlan.Namespaces, name: String)? =
      switch parts[0] {
      case "net": (.network, "network")
      case "user": (.user, "user namespace")
      case "fs": parts[1] == "mqueue" ? (.ipc, "IPC namespace") : nil
      default:
        ofIPC.contains(dotted)
          ? (.ipc, "IPC namespace") : ofUTS.contains(dotted) ? (.uts, "UTS namespace") : nil
      }
    guard let owner else {
      throw refused(
        "it is the whole machine's",
        hint: "containers have their own net.*, fs.mqueue.*, and some of kernel.*")
    }
    guard own.contains(owner.kind) else { throw refused("the container's \(owner.name) is the host's") }
  }
}
