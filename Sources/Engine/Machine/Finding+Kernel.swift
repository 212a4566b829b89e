/// What the kernel has to have.
extension Finding {
  static func kernel(_ facts: MachineFacts) -> Finding {
    let about = "kernel"
    let version = KernelVersion(facts.kernel)
    func needs(_ text: String) -> String { "Linux \(facts.kernel): \(text)" }
    let newer = "install a newer kernel; Debian 12 has 6.1"
    if version < KernelVersion(5, 11) {
      return .missing(
        about, needs("containers need 5.11, which mounts overlays for ordinary users"), remedy: newer)
    }
    if version < KernelVersion(5, 12) {
      return .limited(about, needs("mounts with mapped ids need 5.12"), remedy: newer)
    }
    if version < KernelVersion(6, 15), facts.user.isRoot {
      return .limited(about, needs("user ids of a container's own (--userns auto) need 6.15"), remedy: newer)
    }
    return .good(about, "Linux \(facts.kernel)")
  }

  static func overlay(_ facts: MachineFacts) -> Finding {
    let about = "overlayfs"
    return facts.fileSystems.contains("overlay")
      ? .good(about, "there")
      : .missing(
        about, "the kernel has no overlayfs loaded: layers cannot be stacked", remedy: "sudo modprobe overlay"
      )
  }

  static func seccomp(_ facts: MachineFacts) -> Finding {
    let about = "seccomp"
    return facts.hasSeccomp
      ? .good(about, "there")
      : .missing(
        about, "the kernel filters no system calls",
        remedy: "boot a kernel with CONFIG_SECCOMP_FILTER, as all distributions' are")
  }
}

/// The first two numbers of a kernel's release.
struct KernelVersion: Comparable {
  var major: Int
  var minor: Int

  init(_ major: Int, _ minor: Int) {
    self.major = major
    self.minor = minor
  }

  /// What cannot be read counts as 0.
  init(_ release: String) {
    let numbers = release.split(separator: ".", maxSplits: 2).map { Int($0.prefix { $0.isNumber }) ?? 0 }
    self.init(numbers.first ?? 0, numbers.count > 1 ? numbers[1] : 0)
  }

  static func < (left: KernelVersion, right: KernelVersion) -> Bool {
    (left.major, left.minor) < (right.major, right.minor)
  }
}
