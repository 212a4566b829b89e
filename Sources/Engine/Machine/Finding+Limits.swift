import Runner

/// Control groups: what limits need.
extension Finding {
  /// Those that containers' limits are commonly set with.
  private static let usual: [ControlGroupController] = [.memory, .cpu, .cpuset, .pids, .io]

  static func controlGroups(_ facts: MachineFacts) -> Finding {
    let about = "control groups"
    let layout = facts.controlGroups
    let found = layout.hierarchies.flatMap(\.controllers)
    let names = found.map(\.rawValue).sorted().joined(separator: " ")
    let version = layout.isUnified ? "v2" : "v1"
    let lacking = usual.filter { !found.contains($0) }.map(\.rawValue)
    if lacking.isEmpty || !layout.isUnified && !found.isEmpty { return .good(about, "\(version): \(names)") }
    if !layout.isUnified {
      return .limited(
        about, "v1, whose groups only root can make: limits, pause and numbers do not work",
        remedy: """
          echo 'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX systemd.unified_cgroup_hierarchy=1"' | \
          sudo tee /etc/default/grub.d/cgroup2.cfg && sudo update-grub && sudo reboot  # where systemd and GRUB start it
          """)
    }
    if layout.hierarchies.isEmpty, !facts.user.isRoot {
      return .limited(
        about, "no group is delegated to this user: limits, pause and numbers do not work",
        remedy: "systemd-run --user --scope coracle repl")
    }
    let without = "\(lacking.joined(separator: " ")) do not work"
    return .limited(
      about, names.isEmpty ? "v2 without a controller: \(without)" : "v2: \(names); \(without)",
      remedy: facts.user.isRoot
        ? "echo '\(lacking.map { "+\($0)" }.joined(separator: " "))' | sudo tee /sys/fs/cgroup/cgroup.subtree_control"
        : """
        sudo mkdir -p /etc/systemd/system/user@.service.d && \
        printf '[Service]\\nDelegate=\(usual.map(\.rawValue).sorted().joined(separator: " "))\\n' | \
        sudo tee /etc/systemd/system/user@.service.d/coracle.conf && sudo systemctl daemon-reload  # then log in anew
        """)
  }
}
