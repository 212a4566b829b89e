/// What the kernel has to have.
extension Finding {
  static func kernel(_ facts: MachineFacts) -> Finding {
    let about = "kernel"
    let version = KernelVersion(facts.kernel)
    if version < KernelVersion(5, 11) {
      return .missing(
        about, "Linux \(facts.kernel): containers need 5.11, which mounts overlays for ordinary users",
        remedy: newerKernel(KernelVersion(5, 11), version, facts.release))
    }
    let needs: [(version: KernelVersion, text: String)] = [
      (KernelVersion(5, 12), "mounts with mapped ids need 5.12"),
      (KernelVersion(6, 8), "builds that copy files, and cp with containers that do not run, need 6.8"),
      (KernelVersion(6, 15), "user ids of a container's own (--userns auto) need 6.15"),
    ]
    let lacking = needs.filter {
      version < $0.version && (facts.user.isRoot || $0.version < KernelVersion(6, 15))
    }
    guard let newest = lacking.last?.version else { return .good(about, "Linux \(facts.kernel)") }
    return .limited(
      about, "Linux \(facts.kernel): \(lacking.map(\.text).joined(separator: "; "))",
      remedy: newerKernel(newest, version, facts.release))
  }

  /// Debian's package, whose kernel has all that containers need but for its age.
  static var kernelPackage: String {
    #if arch(arm64)
      "linux-image-arm64"
    #else
      "linux-image-amd64"
    #endif
  }

  /// What the backports of Debian's releases have, at least.
  private static let backported = ["bookworm": KernelVersion(6, 12), "trixie": KernelVersion(6, 16)]

  /// What brings a newer kernel than the present one, and says how far where that is not all.
  ///
  /// - Parameter release: the machine's, as VERSION_CODENAME of os-release(5) has it.
  private static func newerKernel(_ needed: KernelVersion, _ present: KernelVersion, _ release: String?)
    -> String
  {
    guard let release, let offered = backported[release], present < offered else {
      return
        "sudo apt-get install \(kernelPackage) && sudo reboot  # where that is Linux \(needed) or newer, as in the backports of Debian 13"
    }
    // From whichever mirror the machine has the release itself.
    let mirror =
      "$(apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Codename: \(release)' | head -n 1)"
    let source = "echo \"deb \(mirror) \(release)-backports main\""
    let rest =
      offered < needed
      ? "  # brings \(offered); Linux \(needed) comes with the backports of Debian 13" : ""
    return
      "sudo apt-get update && \(source) | sudo tee /etc/apt/sources.list.d/coracle-backports.list && sudo apt-get update"
      + " && sudo apt-get install -t \(release)-backports \(kernelPackage) && sudo reboot\(rest)"
  }

  static func overlay(_ facts: MachineFacts) -> Finding {
    let about = "overlayfs"
    // The kernel loads the module at the first mount.
    if facts.fileSystems.contains("overlay") || facts.modules?.contains("overlay") ?? false {
      return .good(about, "there")
    }
    return .missing(
      about, "the kernel has no overlayfs: layers cannot be stacked",
      remedy: facts.modules == nil
        ? "sudo modprobe overlay"
        : "sudo apt-get install \(kernelPackage) && sudo reboot  # or any kernel with CONFIG_OVERLAY_FS")
  }

  static func seccomp(_ facts: MachineFacts) -> Finding {
    let about = "seccomp"
    return facts.hasSeccomp
      ? .good(about, "there")
      : .missing(
        about, "the kernel filters no system calls",
        // One that was built without it cannot be given it.
        remedy:
          "sudo apt-get install \(kernelPackage) && sudo reboot  # or any kernel with CONFIG_SECCOMP_FILTER")
  }
}

/// The first two numbers of a kernel's release.
struct KernelVersion: Comparable, CustomStringConvertible {
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

  var description: String { "\(major).\(minor)" }

  static func < (left: KernelVersion, right: KernelVersion) -> Bool {
    (left.major, left.minor) < (right.major, right.minor)
  }
}
