import EngineErrors
import LinuxSystem
import OCIModel
import Runner
import SystemPackage

/// The limits of a container as its runtime configuration has them: for v1 in OCI's words, and for v2 as well where those
/// say less.
extension ResourceLimits {
  /// - Throws: `invalidArgument` or `notFound`, with the limit as the subject.
  func resources() throws(EngineError) -> RuntimeSpec.Resources {
    try validate()
    var resources = RuntimeSpec.Resources()
    var unified: [String: String] = [:]
    var memory = RuntimeSpec.Memory()
    memory.limit = memoryBytes
    memory.reservation = memoryReservationBytes
    if let swapBytes, let memoryBytes { memory.swap = memoryBytes.saturatingSum(swapBytes) }
    if memory != .init() { resources.memory = memory }
    var cpu = RuntimeSpec.CPU()
    if let cpuMillis {
      cpu.period = 100_000
      cpu.quota = cpuMillis * 100
    }
    if let cpuWeight {
      cpu.shares = ControlGroupWeights.shares(cpuWeight: UInt64(cpuWeight))
      unified["cpu.weight"] = "\(cpuWeight)"
    }
    cpu.cpus = cpuSet
    cpu.mems = memoryNodes
    if cpu != .init() { resources.cpu = cpu }
    resources.pids = processes.map { .init(limit: $0) }
    var block = RuntimeSpec.BlockIO()
    if let ioWeight {
      block.weight = UInt16(min(max(ioWeight, 10), 1000))
      unified["io.weight"] = "\(ioWeight)"
    }
    for rate in ioRates ?? [] { try rate.add(to: &block) }
    if block != .init() { resources.blockIO = block }
    if !unified.isEmpty { resources.unified = unified }
    return resources
  }

  /// What has to be written for these limits to be the only ones, after `old` ones: what those had and these do not have is
  /// taken away.
  func resources(after old: ResourceLimits) throws(EngineError) -> RuntimeSpec.Resources {
    var resources = try resources()
    var memory = resources.memory ?? .init()
    if memoryBytes == nil, old.memoryBytes != nil { memory.limit = -1 }
    if swapBytes == nil, old.swapBytes != nil { memory.swap = -1 }
    if memoryReservationBytes == nil, old.memoryReservationBytes != nil { memory.reservation = -1 }
    if memory != .init() { resources.memory = memory }
    var cpu = resources.cpu ?? .init()
    var unified = resources.unified ?? [:]
    if cpuMillis == nil, old.cpuMillis != nil {
      cpu.period = 100_000
      cpu.quota = -1
    }
    if cpuWeight == nil, old.cpuWeight != nil {
      cpu.shares = 1024
      unified["cpu.weight"] = "100"
    }
    if cpuSet == nil, old.cpuSet != nil { cpu.cpus = Self.all("/sys/devices/system/cpu/online") }
    if memoryNodes == nil, old.memoryNodes != nil {
      cpu.mems = Self.all("/sys/devices/system/node/online")
    }
    if cpu != .init() { resources.cpu = cpu }
    if processes == nil, old.processes != nil { resources.pids = .init(limit: -1) }
    var block = resources.blockIO ?? .init()
    if ioWeight == nil, old.ioWeight != nil {
      block.weight = 100
      unified["io.weight"] = "100"
    }
    for rate in old.ioRates ?? [] { try rate.without(ioRates ?? []).add(to: &block) }
    if block != .init() { resources.blockIO = block }
    if !unified.isEmpty { resources.unified = unified }
    return resources
  }

  /// With what an update says put over it; 0, or an empty text, takes a limit away.
  func updated(with update: ResourceLimits) -> ResourceLimits {
    func number(_ old: Int64?, _ new: Int64?) -> Int64? { new == 0 ? nil : new ?? old }
    func text(_ old: String?, _ new: String?) -> String? { new == "" ? nil : new ?? old }
    var limits = self
    limits.memoryBytes = number(memoryBytes, update.memoryBytes)
    limits.memoryReservationBytes = number(memoryReservationBytes, update.memoryReservationBytes)
    // Beside a limit of memory, no swap is a limit as well.
    limits.swapBytes =
      update.memoryBytes ?? 0 > 0 ? update.swapBytes ?? swapBytes : number(swapBytes, update.swapBytes)
    // Without a limit of memory there is none for swap.
    if limits.memoryBytes == nil, update.swapBytes == nil { limits.swapBytes = nil }
    limits.cpuMillis = number(cpuMillis, update.cpuMillis)
    limits.cpuWeight = number(cpuWeight, update.cpuWeight)
    limits.cpuSet = text(cpuSet, update.cpuSet)
    limits.memoryNodes = text(memoryNodes, update.memoryNodes)
    limits.processes = number(processes, update.processes)
    limits.ioWeight = number(ioWeight, update.ioWeight)
    for rate in update.ioRates ?? [] {
      var rates = limits.ioRates ?? []
      let old = rates.firstIndex { $0.device == rate.device }
      let merged = (old.map { rates.remove(at: $0) } ?? DeviceRate(device: rate.device)).updated(with: rate)
      if merged != DeviceRate(device: rate.device) { rates.append(merged) }
      limits.ioRates = rates.isEmpty ? nil : rates
    }
    return limits
  }

  /// 0, and an empty text, of a new container is no limit, but of swap: no swap.
  var withoutZeros: ResourceLimits { ResourceLimits().updated(with: self) }

  private static func all(_ path: FilePath) -> String {
    ((try? readSmallFile(path, limit: 4096)) ?? "0").split(separator: "\n").first.map(String.init) ?? "0"
  }
}

extension DeviceRate {
  fileprivate func updated(with update: DeviceRate) -> DeviceRate {
    func number(_ old: Int64?, _ new: Int64?) -> Int64? { new == 0 ? nil : new ?? old }
    var rate = self
    rate.readBytes = number(readBytes, update.readBytes)
    rate.writeBytes = number(writeBytes, update.writeBytes)
    rate.reads = number(reads, update.reads)
    rate.writes = number(writes, update.writes)
    return rate
  }

  /// Zeros, which take away, for what `others` do not say of the same disk.
  fileprivate func without(_ others: [DeviceRate]) -> DeviceRate {
    let other = others.first { $0.device == device }
    var rate = DeviceRate(device: device)
    if readBytes != nil, other?.readBytes == nil { rate.readBytes = 0 }
    if writeBytes != nil, other?.writeBytes == nil { rate.writeBytes = 0 }
    if reads != nil, other?.reads == nil { rate.reads = 0 }
    if writes != nil, other?.writes == nil { rate.writes = 0 }
    return rate
  }

  fileprivate func add(to block: inout RuntimeSpec.BlockIO) throws(EngineError) {
    let (major, minor) = try numbers()
    func add(_ value: Int64?, to list: inout [RuntimeSpec.Throttle]?) {
      guard let value else { return }
      list = (list ?? []) + [.init(major: major, minor: minor, rate: UInt64(max(value, 0)))]
    }
    add(readBytes, to: &block.throttleReadBpsDevice)
    add(writeBytes, to: &block.throttleWriteBpsDevice)
    add(reads, to: &block.throttleReadIOPSDevice)
    add(writes, to: &block.throttleWriteIOPSDevice)
  }

  private func numbers() throws(EngineError) -> (Int64, Int64) {
    let parts = device.split(separator: ":")
    if parts.count == 2, let major = Int64(parts[0]), let minor = Int64(parts[1]), major >= 0, minor >= 0 {
      return (major, minor)
    }
    do {
      guard let disk = try blockDevice(FilePath(device)) else {
        throw EngineError(
          .invalidArgument, "not a disk: \(device)", subject: "limits.ioRates",
          hint: "name a block device, such as /dev/sda, or its numbers, such as 8:0")
      }
      return (Int64(disk.major), Int64(disk.minor))
    } catch {
      throw EngineError("look at the disk \(device)", wrapping: error, subject: "limits.ioRates")
    }
  }
}

extension Int64 {
  fileprivate func saturatingSum(_ other: Int64) -> Int64 {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? .max : sum
  }
}
