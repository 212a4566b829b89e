package import OCIModel

/// What a container has when nobody asked for anything else: what Docker gives, where Docker has a rule.
extension RuntimeSpec {
  package enum DefaultNetwork: Sendable { case none, host }

  package static func defaultLinux(network: DefaultNetwork) -> Linux {
    var linux = Linux()
    linux.namespaces =
      ["mount", "pid", "uts", "ipc", "cgroup"].map(Namespace.init)
      + (network == .none ? [Namespace("network")] : [])
    linux.devices = [
      Device("/dev/null", major: 1, minor: 3), Device("/dev/zero", major: 1, minor: 5),
      Device("/dev/full", major: 1, minor: 7), Device("/dev/random", major: 1, minor: 8),
      Device("/dev/urandom", major: 1, minor: 9), Device("/dev/tty", major: 5, minor: 0),
    ]
    linux.seccomp = .default
    linux.maskedPaths = [
      "/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
      "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
      "/sys/devices/virtual/powercap",
    ]
    linux.readonlyPaths = [
      "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
    ]
    return linux
  }

  package static func defaultMounts(network: DefaultNetwork, isRootless: Bool) -> [Mount] {
    var mounts = [
      Mount("/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"]),
      Mount(
        "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "strictatime", "mode=755", "size=65536k"]),
      Mount(
        "/dev/pts", type: "devpts", source: "devpts",
        options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
      Mount(
        "/dev/shm", type: "tmpfs", source: "shm",
        options: ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
      Mount("/dev/mqueue", type: "mqueue", source: "mqueue", options: ["nosuid", "noexec", "nodev"]),
    ]
    if isRootless, network == .host {
      // A sysfs shows a network namespace, and only who owns that one may mount it.
      mounts.append(
        Mount("/sys", type: "bind", source: "/sys", options: ["rbind", "nosuid", "noexec", "nodev", "ro"]))
    } else {
      mounts.append(
        Mount("/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"]))
    }
    return mounts
  }

  package static var defaultCapabilities: Capabilities {
    Capabilities(
      bounding: Capability.defaults, effective: Capability.defaults, permitted: Capability.defaults)
  }
}
