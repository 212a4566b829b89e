import EngineErrors
import OCIModel

extension RuntimeSpec {
  /// What the container and each of its processes may use.
  ///
  /// - Throws: `invalidArgument`, with the option as the subject.
  mutating func limit(_ options: ContainerOptions) throws(EngineError) {
    if let limits = options.limits {
      let resources = try limits.resources()
      if !resources.isEmpty { linux?.resources = resources }
    }
    var rlimits = process?.rlimits ?? []
    for limit in options.ulimits ?? [] {
      let limit = try limit.resourceLimit()
      rlimits.removeAll { $0.type == limit.type }
      rlimits.append(limit)
    }
    if options.ulimits != nil { process?.rlimits = rlimits }
    if let adjust = options.oomScoreAdjust {
      guard (-1000...1000).contains(adjust) else {
        throw EngineError(
          .invalidArgument, "not an adjustment of the OOM score: \(adjust)", subject: "oomScoreAdjust",
          hint: "it is between -1000 and 1000")
      }
      process?.oomScoreAdj = adjust
    }
    if let bytes = options.sharedMemoryBytes, bytes > 0,
      let index = mounts?.firstIndex(where: { $0.destination == "/dev/shm" && $0.type == "tmpfs" })
    {
      let others = (mounts?[index].options ?? []).filter { !$0.hasPrefix("size=") }
      mounts?[index].options = others + ["size=\(bytes)"]
    }
  }
}

extension RuntimeSpec {
  /// Which devices may be used, and for what, by who can make nodes of all of them, and by who may not do all with those that he
  /// has: those that every container has and those that were given to this one.
  mutating func guardDevices(given: [DeviceRule]) {
    var rules = [
      DeviceRule(allow: false), DeviceRule(allow: true, type: "c", access: "m"),
      DeviceRule(allow: true, type: "b", access: "m"),
      // Pseudo-terminals.
      DeviceRule(allow: true, type: "c", major: 136, access: "rwm"),
      DeviceRule(allow: true, type: "c", major: 5, minor: 2, access: "rwm"),
    ]
    let usual = (linux?.devices ?? []).compactMap { device in
      device.major.flatMap { major in
        device.minor.map {
          DeviceRule(allow: true, type: device.type, major: Int64(major), minor: Int64($0), access: "rwm")
        }
      }
    }
    // One that it has twice may be used for what either says. With v1 they add up by themselves; with v2 the last one would count.
    for rule in usual + given {
      if let same = rules.firstIndex(where: {
        ($0.type, $0.major, $0.minor) == (rule.type, rule.major, rule.minor)
      }) {
        rules[same].access = "rwm".filter { ((rules[same].access ?? "") + (rule.access ?? "")).contains($0) }
      } else {
        rules.append(rule)
      }
    }
    var resources = linux?.resources ?? .init()
    resources.devices = rules
    linux?.resources = resources
  }
}

extension Ulimit {
  fileprivate func resourceLimit() throws(EngineError) -> RuntimeSpec.ResourceLimit {
    let type = "RLIMIT_\(name.uppercased())"
    guard RuntimeSpec.ResourceLimit.types.contains(type) else {
      throw EngineError(
        .invalidArgument, "not a limit of a process: \(name)", subject: "ulimits",
        hint:
          "limits are \(RuntimeSpec.ResourceLimit.types.map { $0.dropFirst(7).lowercased() }.joined(separator: ", "))"
      )
    }
    let (soft, hard) = (soft ?? .max, hard ?? .max)
    guard soft <= hard else {
      throw EngineError(
        .invalidArgument, "the limit \(name) of \(soft) is above \(hard), what it may be raised to",
        subject: "ulimits")
    }
    return RuntimeSpec.ResourceLimit(type: type, soft: soft, hard: hard)
  }
}
