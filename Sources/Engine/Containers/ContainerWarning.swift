import Foundation
import Runner

/// Something that was asked for and does not apply on this machine.
package struct ContainerWarning: Hashable, Sendable {
  /// The option, as `limits.memoryBytes`.
  package var subject: String
  /// Why, and what to do about it.
  package var reason: String
}

extension ContainerEngine {
  /// What of a container's limits this machine cannot do. Looks at the machine only where there are limits.
  package func warnings(_ options: ContainerOptions) -> [ContainerWarning] {
    let makesNodes = (options.addedCapabilities ?? []).contains {
      $0.uppercased().hasSuffix("MKNOD") || $0 == "ALL"
    }
    var warnings: [ContainerWarning] = []
    if makesNodes, options.isPrivileged != true, options.userNamespace != .auto, !configuration.isRootless,
      !runner.groups.hasDeviceRules
    {
      warnings.append(
        .init(
          subject: "addedCapabilities",
          reason:
            "with MKNOD it can use every device of the machine, since it can have no control group that says which; use devices instead"
        ))
    }
    // An ordinary user's containers ask through pasta.
    if options.network == .bridge, options.nameServers?.servers.isEmpty ?? true, userNetwork == nil,
      NameFiles.lacksServers(host: { try? String(contentsOfFile: $0, encoding: .utf8) })
    {
      warnings.append(
        .init(
          subject: "dns",
          reason:
            "this machine has no name server that others can ask, so no name of the outside resolves in the container; name one with dns"
        ))
    }
    guard let limits = options.limits, let resources = try? limits.withoutZeros.resources() else {
      return warnings
    }
    for missing in runner.groups.unapplied(resources) {
      guard let subject = Self.subjects[missing.member] else { continue }
      let warning = ContainerWarning(subject: "limits.\(subject)", reason: missing.reason)
      if !warnings.contains(where: { $0.subject == warning.subject }) { warnings.append(warning) }
    }
    return warnings
  }

  package func warnings(of container: String) throws -> [ContainerWarning] {
    warnings(try options(try metadata.container(matching: container)))
  }

  /// What the limits are called in the runtime's configuration.
  private static let subjects = [
    "memory.limit": "memoryBytes", "memory.reservation": "memoryReservationBytes", "memory.swap": "swapBytes",
    "cpu.quota": "cpuMillis", "cpu.shares": "cpuWeight", "unified.cpu.weight": "cpuWeight",
    "cpu.cpus": "cpuSet", "cpu.mems": "memoryNodes", "pids.limit": "processes",
    "blockIO.weight": "ioWeight", "unified.io.weight": "ioWeight", "blockIO.throttle": "ioRates",
  ]
}
