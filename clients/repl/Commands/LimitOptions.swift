import ArgumentParser
import RPCModel

/// What a container may use, as `run`, `create` and `update` take it.
struct LimitOptions: ParsableArguments, Sendable {
  @Option(name: [.customShort("m"), .long], help: "Memory, as 64m or 2g; 0 of an update takes a limit away.")
  var memory: Amount?
  @Option(help: "Memory that it is left with when the machine is short of it.")
  var memoryReservation: Amount?
  @Option(help: "Memory and swap together, as 128m; the same as the memory for none.") var memorySwap: Amount?
  @Option(help: "Processors, as 1.5.") var cpus: Double?
  @Option(help: "Its share of the processors, 1 to 10000 against 100 of others.") var cpuWeight: Int?
  @Option(help: "Which processors, as 0-2,7.") var cpusetCpus: String?
  @Option(help: "Which NUMA nodes' memory, as 0-1.") var cpusetMems: String?
  @Option(help: "Processes and threads.") var pidsLimit: Int?
  @Option(help: "Its share of disks, 1 to 10000 against 100 of others.") var ioWeight: Int?
  @Option(help: "Bytes that it may read of a disk in a second, as /dev/sda:10m.") var deviceReadBps:
    [DiskRate] = []
  @Option(help: "Bytes that it may write to one.") var deviceWriteBps: [DiskRate] = []
  @Option(help: "Operations that it may read with.") var deviceReadIops: [DiskRate] = []
  @Option(help: "Operations that it may write with.") var deviceWriteIops: [DiskRate] = []

  /// Nil where nothing is asked for.
  var wire: ResourceLimits? {
    get throws {
      var limits = ResourceLimits(
        memoryBytes: memory?.number, memoryReservationBytes: memoryReservation?.number,
        cpuMillis: try cpuMillis, cpuWeight: try number(cpuWeight, "--cpu-weight"),
        cpuSet: cpusetCpus, memoryNodes: cpusetMems, processes: try number(pidsLimit, "--pids-limit"),
        ioWeight: try number(ioWeight, "--io-weight"))
      if let memorySwap {
        // Docker's word; the protocol counts swap alone.
        guard let memory, memorySwap.number >= memory.number else {
          throw ValidationError(
            "--memory-swap is memory and swap together: give --memory as well, and no more")
        }
        limits.swapBytes = memorySwap.number - memory.number
      }
      limits.ioRates = rates
      return limits == ResourceLimits() ? nil : limits
    }
  }

  private var cpuMillis: Int? {
    get throws {
      guard let cpus else { return nil }
      guard cpus >= 0, let millis = Int(exactly: (cpus * 1000).rounded()) else {
        throw invalidOption(
          "--cpus is a number of processors, as 1.5, not \(cpus)", hint: "0 is without a limit")
      }
      return millis
    }
  }

  private func number(_ value: Int?, _ option: String) throws -> Int? {
    if let value, value < 0 {
      throw invalidOption("\(option) cannot be \(value)", hint: "0 is without a limit")
    }
    return value
  }

  private var rates: [DeviceRate]? {
    var rates: [DeviceRate] = []
    func set(_ list: [DiskRate], _ member: WritableKeyPath<DeviceRate, Int?>) {
      for rate in list {
        let index = rates.firstIndex { $0.device == rate.device } ?? rates.endIndex
        if index == rates.endIndex { rates.append(DeviceRate(device: rate.device)) }
        rates[index][keyPath: member] = rate.amount.number
      }
    }
    set(deviceReadBps, \.readBytesPerSecond)
    set(deviceWriteBps, \.writeBytesPerSecond)
    set(deviceReadIops, \.readsPerSecond)
    set(deviceWriteIops, \.writesPerSecond)
    return rates.isEmpty ? nil : rates
  }
}

/// Limits that are not a control group's.
struct ProcessLimitOptions: ParsableArguments, Sendable {
  @Option(help: "A limit of each process, as nofile=1024 or nofile=1024:2048.") var ulimit: [UlimitText] = []
  @Option(help: "The size of /dev/shm, as 256m.") var shmSize: Amount?
  @Option(help: "How readily it is killed for want of memory, -1000 to 1000.") var oomScoreAdj: Int?

  func apply(to creation: inout ContainerCreation) {
    if !ulimit.isEmpty { creation.ulimits = ulimit.map(\.wire) }
    creation.sharedMemoryBytes = shmSize?.number
    creation.oomScoreAdjust = oomScoreAdj
  }
}

/// A number with a unit of 1024: 512, 64k, 10m, 2g, with or without a `b` or `ib` behind it.
struct Amount: ExpressibleByArgument, Sendable, Hashable {
  var number: Int

  init?(argument: String) {
    let digits = argument.prefix { $0.isNumber }
    let shift: Int
    switch argument.dropFirst(digits.count).lowercased() {
    case "", "b": shift = 0
    case "k", "kb", "kib": shift = 10
    case "m", "mb", "mib": shift = 20
    case "g", "gb", "gib": shift = 30
    case "t", "tb", "tib": shift = 40
    default: return nil
    }
    guard let value = Int(digits) else { return nil }
    let (product, overflow) = value.multipliedReportingOverflow(by: 1 << shift)
    guard !overflow else { return nil }
    number = product
  }
}

/// `PATH:AMOUNT`.
struct DiskRate: ExpressibleByArgument, Sendable, Hashable {
  var device: String
  var amount: Amount

  init?(argument: String) {
    guard let colon = argument.lastIndex(of: ":"),
      let amount = Amount(argument: String(argument[argument.index(after: colon)...]))
    else { return nil }
    device = String(argument[..<colon])
    self.amount = amount
  }
}

/// `NAME=SOFT` or `NAME=SOFT:HARD`; -1 is without a limit.
struct UlimitText: ExpressibleByArgument, Sendable, Hashable {
  var name: String
  var soft: Int?
  var hard: Int?

  init?(argument: String) {
    let halves = argument.split(separator: "=", maxSplits: 1)
    guard halves.count == 2 else { return nil }
    let values = halves[1].split(separator: ":", maxSplits: 1).map { Int($0) }
    guard let soft = values[0], let hard = values[values.count - 1] else { return nil }
    name = String(halves[0])
    self.soft = soft < 0 ? nil : soft
    self.hard = hard < 0 ? nil : hard
  }

  var wire: Ulimit { Ulimit(name: name, soft: soft, hard: hard) }
}
