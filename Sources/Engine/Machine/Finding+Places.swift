/// Networks, and the directories in which things are kept.
extension Finding {
  static func networks(_ facts: MachineFacts) -> [Finding] {
    var findings = [
      facts.programs.contains("libnftables.so.1")
        ? good("firewall", "libnftables is installed")
        : limited(
          "firewall", "libnftables is not installed: there are no bridge networks",
          remedy: "sudo apt-get install libnftables1")
    ]
    if let modules = facts.modules {
      let lacking = ["bridge", "veth", "nf_tables"].filter { !modules.contains($0) }
      findings.append(
        lacking.isEmpty
          ? good("network modules", "there")
          : limited(
            "network modules",
            "the kernel has no \(lacking.joined(separator: ", no ")): there are no bridge networks",
            remedy: "sudo apt-get install \(kernelPackage) && sudo reboot  # or any kernel with them"))
    }
    if facts.user.isRoot { return findings }
    findings.append(
      facts.programs.contains("pasta")
        ? good("pasta", "installed")
        : limited(
          "pasta", "not installed: networks have no way out", remedy: "sudo apt-get install passt"))
    findings.append(
      facts.canOpenTunnels
        ? good("/dev/net/tun", "can be opened")
        : limited(
          "/dev/net/tun", "cannot be opened by \(facts.user.name ?? "this user"): networks have no way out",
          remedy: "sudo modprobe tun && sudo chmod 666 /dev/net/tun"))
    return findings
  }

  static func directories(_ facts: MachineFacts) -> [Finding] {
    [
      facts.store.map { store($0, facts.user) }, facts.run.map { run($0, facts.user) },
      facts.lingers.map { lingering($0, facts.user) },
    ]
    .compactMap(\.self)
  }

  private static func store(_ place: MachineFacts.FileSystem, _ user: MachineFacts.User) -> Finding {
    let about = "store"
    // Upper layers need extended attributes, whiteouts and a file system that is no overlay itself.
    let unfit = [
      "overlay", "nfs", "nfs4", "cifs", "smb3", "vfat", "exfat", "ntfs3", "9p", "virtiofs", "fuse", "fuseblk",
    ]
    if unfit.contains(place.type) || place.type.hasPrefix("fuse.") {
      return .missing(
        about, "it is on \(place.type), which holds no container's writable layer",
        remedy: """
          truncate -s 16G \(word(place.path + ".img")) && \
          /sbin/mkfs.ext4 -q -E root_owner=\(user.id):0 \(word(place.path + ".img")) && mkdir -p \(word(place.path)) && \
          sudo mount -o loop \(word(place.path + ".img")) \(word(place.path))  # or CORACLE_STORE names another disk
          """)
    }
    let gigabytes = Double(place.freeBytes / 100_000_000) / 10
    return place.freeBytes < 1_000_000_000
      ? .limited(about, "\(gigabytes) GB are free on its file system", remedy: "coracle repl -c prune")
      : .good(about, "\(place.type), \(gigabytes) GB free")
  }

  private static func run(_ place: MachineFacts.FileSystem, _ user: MachineFacts.User) -> Finding {
    let about = "run directory"
    return place.type == "tmpfs" || place.type == "ramfs"
      ? .good(about, place.type)
      : .limited(
        about, "it is on \(place.type), where what is left of a power cut looks like containers that run",
        remedy: """
          mkdir -p \(word(place.path)) && sudo mount -t tmpfs -o mode=700,uid=\(user.id) coracle \(word(place.path))
          """)
  }

  /// As a shell takes it for one word.
  private static func word(_ text: String) -> String {
    text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "/._-+:@%".contains($0)) }
      ? text : "'\(text.replacing("'", with: "'\\''"))'"
  }

  private static func lingering(_ lingers: Bool, _ user: MachineFacts.User) -> Finding {
    let about = "after logging out"
    return lingers
      ? .good(about, "containers go on")
      : .limited(
        about, "containers are ended with the user's last session",
        remedy: "sudo loginctl enable-linger \(user.name ?? "\(user.id)")")
  }
}
