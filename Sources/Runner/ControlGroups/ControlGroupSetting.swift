package import EngineErrors
package import OCIModel

/// A resource that the kernel divides among control groups. The raw values are cgroup v2's words.
package enum ControlGroupController: String, Hashable, Sendable, CaseIterable {
  case memory, cpu, cpuset, pids, io, hugetlb, rdma, cpuacct, devices, freezer

  /// As v1 calls it.
  var legacyName: String { self == .io ? "blkio" : rawValue }

  init?(legacyName: Substring) {
    guard let found = Self.allCases.first(where: { $0.legacyName == legacyName }) else { return nil }
    self = found
  }

  /// Those that v2 has to be asked for; the others are there always, or not at all.
  static let delegated: [ControlGroupController] = [
    .memory, .cpu, .cpuset, .pids, .io, .hugetlb, .rdma,
  ]
}

/// One write to a file of a control group.
package struct ControlGroupSetting: Hashable, Sendable {
  /// Nil for a file that every group of v2 has, as `cgroup.max.depth`.
  package var controller: ControlGroupController?
  package var file: String
  package var value: String
  /// The member of `linux.resources` that it is for.
  package var member: String
  /// Whether it is nothing to tell of where the kernel has no such file.
  var isOptional: Bool

  init(
    _ controller: ControlGroupController?, _ file: String, _ value: String, for member: String,
    isOptional: Bool = false
  ) {
    self.controller = controller
    self.file = file
    self.value = value
    self.member = member
    self.isOptional = isOptional
  }
}

/// Something of `linux.resources` that a machine cannot do.
package struct UnappliedResource: Hashable, Sendable {
  /// As `memory.limit`.
  package var member: String
  /// What is missing and what to do about it.
  package var reason: String
}

extension RuntimeSpec.Resources {
  /// - Parameter unified: cgroup v2's files; v1's otherwise.
  package func settings(unified isUnified: Bool) -> [ControlGroupSetting] {
    isUnified ? unifiedSettings : legacySettings
  }
}

extension RuntimeSpec.Resources {
  /// Files of v2's core that are commands or states, and no limits.
  private static let commands: Set<String> = [
    "cgroup.procs", "cgroup.threads", "cgroup.type", "cgroup.subtree_control", "cgroup.freeze", "cgroup.kill",
  ]

  /// What `unified` names is written as it stands, as the specification has it: so it has to be a file of the group, and no
  /// command.
  ///
  /// - Throws: `invalidArgument`.
  package func checkUnified() throws(EngineError) {
    for file in (unified ?? [:]).keys.sorted() {
      let isFile = !file.contains("/") && file.split(separator: ".").count > 1 && !file.utf8.contains(0)
      guard isFile, !Self.commands.contains(file) else {
        throw EngineError(
          .invalidArgument, "not a limit of cgroup v2: \(file.prefix(200))",
          subject: "linux.resources.unified",
          hint: "give a file of a controller, as memory.high")
      }
    }
  }
}

extension RuntimeSpec.Resources {
  /// - Parameter limitFile: what a limit's file is called, as `max`.
  func hugePageSettings(_ limitFile: String) -> [ControlGroupSetting] {
    (hugepageLimits ?? []).flatMap { page in
      // What is reserved counts where the kernel counts it.
      ["", "rsvd."].map { kind in
        .init(
          .hugetlb, "hugetlb.\(page.pageSize).\(kind)\(limitFile)", "\(page.limit)", for: "hugepageLimits",
          isOptional: !kind.isEmpty)
      }
    }
  }

  var rdmaSettings: [ControlGroupSetting] {
    (rdma ?? [:]).sorted { $0.key < $1.key }.map { device, limit in
      func text(_ value: UInt32?) -> String { value.map(String.init) ?? "max" }
      return .init(
        .rdma, "rdma.max",
        "\(device) hca_handle=\(text(limit.hcaHandles)) hca_object=\(text(limit.hcaObjects))",
        for: "rdma")
    }
  }
}

extension RuntimeSpec.CPU {
  /// What both versions have under the same names.
  var commonSettings: [ControlGroupSetting] {
    var settings: [ControlGroupSetting] = []
    if let idle { settings.append(.init(.cpu, "cpu.idle", "\(idle)", for: "cpu.idle")) }
    if let cpus, !cpus.isEmpty { settings.append(.init(.cpuset, "cpuset.cpus", cpus, for: "cpu.cpus")) }
    if let mems, !mems.isEmpty { settings.append(.init(.cpuset, "cpuset.mems", mems, for: "cpu.mems")) }
    return settings
  }
}
