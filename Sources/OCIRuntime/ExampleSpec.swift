package import OCIModel
import Runner

extension OCIRuntime {
  /// A configuration to begin with: a shell with the defaults of the engine.
  package static func exampleSpec(isRootless: Bool) -> RuntimeSpec {
    var process = RuntimeSpec.Process(
      user: .init(uid: 0, gid: 0), args: ["sh"],
      env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"], cwd: "/")
    process.terminal = true
    process.capabilities = RuntimeSpec.defaultCapabilities
    process.noNewPrivileges = true
    var spec = RuntimeSpec(process: process, root: .init(path: "rootfs", readonly: true))
    spec.ociVersion = specVersion
    spec.hostname = "coracle"
    let kinds = ["mount", "pid", "uts", "ipc", "network", "cgroup"] + (isRootless ? ["user"] : [])
    spec.linux = RuntimeSpec.defaultLinux(namespaces: kinds.map { RuntimeSpec.Namespace($0) })
    spec.linux?.devices = nil
    spec.mounts = RuntimeSpec.defaultMounts(host: [], isRootless: isRootless)
    return spec
  }
}
