import OCIModel

/// `linux.resources` as files of cgroup v2 (Documentation/admin-guide/cgroup-v2.rst).
extension RuntimeSpec.Resources {
  var unifiedSettings: [ControlGroupSetting] {
    var settings = memorySettings + cpuSettings + blockSettings + hugePageSettings("max") + rdmaSettings
    if let pids {
      settings.append(
        .init(.pids, "pids.max", pids.limit > 0 ? "\(pids.limit)" : "max", for: "pids.limit"))
    }
    for (file, value) in (unified ?? [:]).sorted(by: { $0.key < $1.key }) {
      let controller = file.split(separator: ".").first.flatMap {
        ControlGroupController(rawValue: String($0))
      }
      settings.removeAll { $0.file == file }
      settings.append(.init(controller, file, value, for: "unified.\(file)"))
    }
    return settings
  }

  private var memorySettings: [ControlGroupSetting] {
    guard let memory else { return [] }
    var settings: [ControlGroupSetting] = []
    // As runc and crun take it, 0 is nothing said.
    if let limit = memory.limit, limit != 0 {
      settings.append(.init(.memory, "memory.max", Self.amount(limit), for: "memory.limit"))
    }
    if let swap = memory.swap, swap != 0 {
      // v1 and OCI count memory and swap together, v2 counts swap alone.
      let alone = swap < 0 ? swap : swap - min(max(memory.limit ?? 0, 0), swap)
      settings.append(.init(.memory, "memory.swap.max", Self.amount(alone), for: "memory.swap"))
    }
    if let reservation = memory.reservation, reservation != 0 {
      settings.append(
        .init(.memory, "memory.low", reservation < 0 ? "0" : "\(reservation)", for: "memory.reservation"))
    }
    // v1's alone: named, so that somebody hears that they do not apply.
    if memory.swappiness != nil {
      settings.append(.init(.memory, "memory.swappiness", "", for: "memory.swappiness"))
    }
    if memory.disableOOMKiller == true {
      settings.append(.init(.memory, "memory.oom_control", "", for: "memory.disableOOMKiller"))
    }
    return settings
  }

  private var cpuSettings: [ControlGroupSetting] {
    guard let cpu else { return [] }
    var settings: [ControlGroupSetting] = []
    if let shares = cpu.shares, shares > 0 {
      settings.append(
        .init(.cpu, "cpu.weight", "\(ControlGroupWeights.cpuWeight(shares: shares))", for: "cpu.shares"))
    }
    let period = cpu.period.flatMap { $0 > 0 ? $0 : nil }
    if cpu.quota ?? 0 != 0 || period != nil {
      let quota = cpu.quota.map { $0 > 0 ? "\($0)" : "max" } ?? "max"
      settings.append(.init(.cpu, "cpu.max", "\(quota) \(period ?? 100_000)", for: "cpu.quota"))
    }
    if let burst = cpu.burst {
      settings.append(.init(.cpu, "cpu.max.burst", "\(burst)", for: "cpu.burst"))
    }
    // v1's alone.
    if cpu.realtimePeriod ?? 0 != 0 {
      settings.append(.init(.cpu, "cpu.rt_period_us", "", for: "cpu.realtimePeriod"))
    }
    if cpu.realtimeRuntime ?? 0 != 0 {
      settings.append(.init(.cpu, "cpu.rt_runtime_us", "", for: "cpu.realtimeRuntime"))
    }
    return settings + cpu.commonSettings
  }

  private var blockSettings: [ControlGroupSetting] {
    guard let blockIO else { return [] }
    var settings: [ControlGroupSetting] = []
    if let weight = blockIO.weight, weight > 0 {
      settings.append(
        .init(
          .io, "io.weight", "\(ControlGroupWeights.ioWeight(blockWeight: weight))", for: "blockIO.weight"))
    }
    for device in blockIO.weightDevice ?? [] {
      guard let weight = device.weight, weight > 0 else { continue }
      settings.append(
        .init(
          .io, "io.weight",
          "\(device.major):\(device.minor) \(ControlGroupWeights.ioWeight(blockWeight: weight))",
          for: "blockIO.weightDevice"))
    }
    let throttles = [
      ("rbps", blockIO.throttleReadBpsDevice), ("wbps", blockIO.throttleWriteBpsDevice),
      ("riops", blockIO.throttleReadIOPSDevice), ("wiops", blockIO.throttleWriteIOPSDevice),
    ]
    for (key, devices) in throttles {
      for device in devices ?? [] {
        settings.append(
          .init(
            .io, "io.max",
            "\(device.major):\(device.minor) \(key)=\(device.rate > 0 ? "\(device.rate)" : "max")",
            for: "blockIO.throttle"))
      }
    }
    return settings
  }

  private static func amount(_ value: Int64) -> String { value < 0 ? "max" : "\(value)" }
}
