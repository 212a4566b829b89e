import OCIModel

/// `linux.resources` as files of cgroup v1 (Documentation/admin-guide/cgroup-v1).
extension RuntimeSpec.Resources {
  var legacySettings: [ControlGroupSetting] {
    var settings: [ControlGroupSetting] = []
    for rule in devices ?? [] {
      settings.append(
        .init(.devices, rule.allow ? "devices.allow" : "devices.deny", rule.text, for: "devices"))
    }
    settings += memorySettings + cpuSettings
    if let pids {
      settings.append(
        .init(.pids, "pids.max", pids.limit > 0 ? "\(pids.limit)" : "max", for: "pids.limit"))
    }
    return settings + blockSettings + hugePageSettings("limit_in_bytes") + rdmaSettings
  }

  private var memorySettings: [ControlGroupSetting] {
    guard let memory else { return [] }
    var settings: [ControlGroupSetting] = []
    // As runc and crun take it, 0 is nothing said.
    if let limit = memory.limit, limit != 0 {
      settings.append(.init(.memory, "memory.limit_in_bytes", "\(limit)", for: "memory.limit"))
    }
    if let swap = memory.swap, swap != 0 {
      settings.append(.init(.memory, "memory.memsw.limit_in_bytes", "\(swap)", for: "memory.swap"))
    }
    if let reservation = memory.reservation, reservation != 0 {
      settings.append(
        .init(.memory, "memory.soft_limit_in_bytes", "\(reservation)", for: "memory.reservation"))
    }
    if let swappiness = memory.swappiness {
      settings.append(.init(.memory, "memory.swappiness", "\(swappiness)", for: "memory.swappiness"))
    }
    if let isOff = memory.disableOOMKiller {
      settings.append(.init(.memory, "memory.oom_control", isOff ? "1" : "0", for: "memory.disableOOMKiller"))
    }
    return settings
  }

  private var cpuSettings: [ControlGroupSetting] {
    guard let cpu else { return [] }
    var settings: [ControlGroupSetting] = []
    if let shares = cpu.shares, shares > 0 {
      settings.append(.init(.cpu, "cpu.shares", "\(shares)", for: "cpu.shares"))
    }
    if let period = cpu.realtimePeriod, period > 0 {
      settings.append(.init(.cpu, "cpu.rt_period_us", "\(period)", for: "cpu.realtimePeriod"))
    }
    if let runtime = cpu.realtimeRuntime, runtime != 0 {
      settings.append(.init(.cpu, "cpu.rt_runtime_us", "\(runtime)", for: "cpu.realtimeRuntime"))
    }
    if let burst = cpu.burst {
      settings.append(.init(.cpu, "cpu.cfs_burst_us", "\(burst)", for: "cpu.burst"))
    }
    if let period = cpu.period, period > 0 {
      settings.append(.init(.cpu, "cpu.cfs_period_us", "\(period)", for: "cpu.quota"))
    }
    if let quota = cpu.quota, quota != 0 {
      settings.append(.init(.cpu, "cpu.cfs_quota_us", "\(quota > 0 ? quota : -1)", for: "cpu.quota"))
    }
    return settings + cpu.commonSettings
  }

  private var blockSettings: [ControlGroupSetting] {
    guard let blockIO else { return [] }
    var settings: [ControlGroupSetting] = []
    if let weight = blockIO.weight, weight > 0 {
      settings.append(.init(.io, "blkio.weight", "\(weight)", for: "blockIO.weight"))
    }
    for device in blockIO.weightDevice ?? [] {
      guard let weight = device.weight, weight > 0 else { continue }
      settings.append(
        .init(
          .io, "blkio.weight_device", "\(device.major):\(device.minor) \(weight)", for: "blockIO.weightDevice"
        ))
    }
    let throttles = [
      ("read_bps", blockIO.throttleReadBpsDevice), ("write_bps", blockIO.throttleWriteBpsDevice),
      ("read_iops", blockIO.throttleReadIOPSDevice), ("write_iops", blockIO.throttleWriteIOPSDevice),
    ]
    for (kind, devices) in throttles {
      for device in devices ?? [] {
        settings.append(
          .init(
            .io, "blkio.throttle.\(kind)_device", "\(device.major):\(device.minor) \(device.rate)",
            for: "blockIO.throttle"))
      }
    }
    return settings
  }
}

extension RuntimeSpec.DeviceRule {
  /// As the files of v1's devices controller take it: `c 1:3 rwm`, `a *:* rwm`.
  var text: String {
    func number(_ value: Int64?) -> String { value.map { $0 < 0 ? "*" : "\($0)" } ?? "*" }
    return "\(type ?? "a") \(number(major)):\(number(minor)) \(access ?? "rwm")"
  }
}
