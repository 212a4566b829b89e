/// What this runtime can do, in the form of the OCI specification's features document.
package struct RuntimeFeatures: Encodable {
  var ociVersionMin = "1.0.0"
  var ociVersionMax = OCIRuntime.specVersion
  var hooks = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]
  var mountOptions = [
    "atime", "bind", "defaults", "dev", "exec", "noatime", "nodev", "noexec", "nosuid", "private", "rbind",
    "relatime", "ro", "rprivate", "rslave", "rw", "slave", "strictatime", "suid",
  ]
  var linux = Linux()

  struct Linux: Encodable {
    var namespaces = ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"]
    var cgroup = Cgroup()
    var seccomp = Seccomp()
    var apparmor = Switch(enabled: false)
    var selinux = Switch(enabled: false)
    var intelRdt = Switch(enabled: false)
  }

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
    var actions = [
      "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD",
      "SCMP_ACT_LOG", "SCMP_ACT_TRAP",
    ]
    var operators = [
      "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE", "SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ",
      "SCMP_CMP_NE",
    ]
  }

  package init() {}
}
