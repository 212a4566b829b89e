import LinuxSystem
package import OCIModel

/// What a container has when nobody asked for anything else: what Docker gives, where Docker has a rule.
extension RuntimeSpec {
  package static func defaultLinux(namespaces: [Namespace]) -> Linux {
    var linux = Linux()
    linux.namespaces = namespaces
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

  /// - Parameters:
  ///   - host: the namespaces that are the service's.
  ///   - isRootless: whether those belong to another user namespace than the container's, which may then mount nothing that
  ///     shows them, but bind what the host has mounted.
  package static func defaultMounts(host: LaunchPlan.Namespaces, isRootless: Bool) -> [Mount] {
    let bound = isRootless ? host : []
    let isolated = ["nosuid", "noexec", "nodev"]
    var mounts = [
      bound.contains(.pid)
        ? Mount("/proc", type: "bind", source: "/proc", options: ["rbind"] + isolated)
        : Mount("/proc", type: "proc", source: "proc", options: isolated),
      Mount(
        "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "strictatime", "mode=755", "size=65536k"]),
      Mount(
        "/dev/pts", type: "devpts", source: "devpts",
        options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
      // POSIX shared memory is files, and so is shared as the others of IPC are.
      host.contains(.ipc)
        ? Mount("/dev/shm", type: "bind", source: "/dev/shm", options: ["bind"] + isolated)
        : Mount("/dev/shm", type: "tmpfs", source: "shm", options: isolated + ["mode=1777", "size=65536k"]),
    ]
    if !bound.contains(.ipc) {
      mounts.append(Mount("/dev/mqueue", type: "mqueue", source: "mqueue", options: isolated))
    } else if fileExists("/dev/mqueue") {
      mounts.append(Mount("/dev/mqueue", type: "bind", source: "/dev/mqueue", options: ["bind"] + isolated))
    }
    // A sysfs shows a network namespace, and only who owns that one may mount it.
    mounts.append(
      bound.contains(.network)
        ? Mount("/sys", type: "bind", source: "/sys", options: ["rbind"] + isolated + ["rro"])
        : Mount("/sys", type: "sysfs", source: "sysfs", options: isolated + ["ro"]))
    return mounts
  }

  package static var defaultCapabilities: Capabilities {
    Capabilities(
      bounding: Capability.defaults, effective: Capability.defaults, permitted: Capability.defaults)
  }
}

extension RuntimeSpec.Capabilities {
  /// All that are in a bit mask, as the service's own.
  package static func service(_ mask: UInt64) -> RuntimeSpec.Capabilities {
    let names = Capability.names(mask)
    return RuntimeSpec.Capabilities(bounding: names, effective: names, permitted: names)
  }
}
