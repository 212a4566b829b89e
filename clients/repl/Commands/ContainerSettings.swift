import RPCModel

/// What was asked of a container beyond the usual, as fields of `inspect`; what was not asked for is not there.
extension FieldList {
  mutating func add(settingsOf container: ContainerInspect.Result) {
    add(lifeOf: container)
    add(limits: container.limits)
    add(isolation: container.creation)
    for volume in container.volumes ?? [] {
      let what = volume.subpath.map { "\(volume.volume)/\($0)" } ?? volume.volume
      add("volume", "\(volume.target) from \(what)\(volume.readOnly ? ", read-only" : "")")
    }
    add("cgroup", container.cgroup)
    for warning in container.warnings ?? [] {
      add("does not apply", "\(warning.subject): \(warning.reason)")
    }
  }

  private mutating func add(lifeOf container: ContainerInspect.Result) {
    let asked = container.creation
    if let policy = asked.restart {
      let count = container.container.restartCount
      add("restart", policy.text + (count > 0 ? ", \(count) so far" : ""))
    }
    if asked.lifetime == .session { add("lifetime", "its session's") }
    if asked.initProcess ?? false { add("first process", "the engine's, which reaps orphans") }
    if asked.tty ?? false { add("terminal", "its own") }
    if let health = container.container.health {
      let last = container.healthChecks?.last.map { check in
        ": \(check.exitCode.map { "exit code \($0)" } ?? "no answer") at \(check.at)"
      }
      add("health", health.rawValue + (last ?? ""))
    }
  }

  private mutating func add(limits: ResourceLimits) {
    func bytes(_ count: Int?) -> String? { count.map { ByteCount($0).text } }
    add("memory", bytes(limits.memoryBytes))
    add("swap", bytes(limits.swapBytes))
    add("memory left", bytes(limits.memoryReservationBytes))
    add("processors", limits.cpuMillis.map { "\(Double($0) / 1000)" })
    add("which", limits.cpuSet)
    add("cpu weight", limits.cpuWeight.map(String.init))
    add("memory nodes", limits.memoryNodes)
    add("processes", limits.processes.map(String.init))
    add("io weight", limits.ioWeight.map(String.init))
    for rate in limits.ioRates ?? [] {
      let parts = [
        bytes(rate.readBytesPerSecond).map { "reads \($0)/s" },
        bytes(rate.writeBytesPerSecond).map { "writes \($0)/s" },
        rate.readsPerSecond.map { "\($0) reads/s" }, rate.writesPerSecond.map { "\($0) writes/s" },
      ]
      add("io rate", "\(rate.device): " + parts.compactMap { $0 }.joined(separator: ", "))
    }
  }

  private mutating func add(isolation asked: ContainerCreation) {
    func list(_ words: [String]?) -> String? { words?.joined(separator: " ") }
    if asked.privileged ?? false { add("privileged", "yes") }
    if asked.readOnlyRoot ?? false { add("root", "read-only") }
    if asked.noNewPrivileges ?? false { add("new privileges", "none") }
    add("capabilities", list(asked.addedCapabilities.map { $0.map { "+\($0)" } }))
    add("capabilities", list(asked.droppedCapabilities.map { $0.map { "-\($0)" } }))
    add("seccomp", asked.seccomp?.mode.rawValue)
    if asked.userNamespace == .auto { add("user ids", "its own") }
    for (name, choice) in [
      ("pid", asked.pidNamespace), ("ipc", asked.ipcNamespace), ("uts", asked.utsNamespace),
      ("cgroup", asked.cgroupNamespace),
    ] {
      add("\(name) namespace", choice.map { $0.container.map { "container:\($0)" } ?? $0.mode.rawValue })
    }
    for (name, value) in (asked.sysctls ?? [:]).sorted(by: { $0.key < $1.key }) {
      add("sysctl", "\(name)=\(value)")
    }
    for device in asked.devices ?? [] {
      add("device", [device.path, device.target, device.access].compactMap { $0 }.joined(separator: ":"))
    }
    for limit in asked.ulimits ?? [] {
      add(
        "ulimit",
        "\(limit.name)=\(limit.soft.map(String.init) ?? "-1"):\(limit.hard.map(String.init) ?? "-1")")
    }
    for mount in asked.mounts ?? [] where mount.kind != .volume {
      let path = mount.source.map { source in mount.subpath.map { "\(source)/\($0)" } ?? source }
      let source = path.map { " from \($0)" } ?? ""
      add(mount.kind.rawValue, mount.target + source + (mount.readOnly ?? false ? ", read-only" : ""))
    }
  }
}

extension RestartPolicy {
  /// As `--restart` takes it.
  fileprivate var text: String {
    switch kind {
    case .never: "no"
    case .onFailure: "on-failure" + (maximumRetries.map { ":\($0)" } ?? "")
    case .always: "always"
    case .unlessStopped: "unless-stopped"
    }
  }
}
