import Runner

/// What this runtime can do, in the form of the OCI specification's features document.
package struct RuntimeFeatures: Encodable {
  var ociVersionMin = "1.0.0"
  var ociVersionMax = OCIRuntime.specVersion
  var hooks = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]
  var mountOptions = MountCompiler.options
  var linux = Linux()

  struct Linux: Encodable {
    var namespaces = ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"]
    var cgroup = Cgroup()
    var seccomp = Seccomp()
    var apparmor = Switch(enabled: false)
    var selinux = Switch(enabled: false)
    var intelRdt = Switch(enabled: false)
    var mountExtensions = MountExtensions()
  }

  /// Ids are mapped by the option `idmap`, as the container's; the mappings of a mount's own are not.
  struct MountExtensions: Encodable { var idmap = Switch(enabled: false) }
  struct Switch: Encodable { var enabled: Bool }
  struct Cgroup: Encodable {
    var v1 = true
    var v2 = true
    var systemd = false
    var systemdUser = false
    var rdma = true
  }
  struct Seccomp: Encodable {
    var enabled = true
    var actions = SeccompCompiler.actions
    var operators = SeccompCompiler.operators
  }

  package init() {}
}
