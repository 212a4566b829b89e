import ArgumentParser
import EngineErrors
import LinuxSystem
import OCIModel
import OCIRuntime
import SystemPackage

struct Pause: RuntimeCommand {
  static let configuration = CommandConfiguration(abstract: "Hold all processes of a container.")
  @OptionGroup var global: GlobalOptions
  @Argument(help: "The container's id.") var id: String

  func run() throws { try global.runtime().pause(id) }
}

struct Resume: RuntimeCommand {
  static let configuration = CommandConfiguration(abstract: "Let the processes of a paused container go on.")
  @OptionGroup var global: GlobalOptions
  @Argument(help: "The container's id.") var id: String

  func run() throws { try global.runtime().resume(id) }
}

struct Events: RuntimeCommand {
  static let configuration = CommandConfiguration(
    abstract: "Print what a container uses, and kills for want of memory, as lines of JSON.")
  @OptionGroup var global: GlobalOptions
  @Option(help: "Between two lines of what it uses: 5s, 100ms, 1m.") var interval = "5s"
  @Flag(help: "What it uses now, once.") var stats = false
  @Argument(help: "The container's id.") var id: String

  func run() throws {
    let runtime = try global.runtime()
    func tell(_ event: [UInt8]) {
      FileDescriptor.standardOutput.print(String(decoding: event, as: UTF8.self) + "\n")
    }
    if stats { return tell(try runtime.statistics(id)) }
    try runtime.events(id, interval: milliseconds(), each: tell)
  }

  private func milliseconds() throws(EngineError) -> Int32 {
    for (unit, factor) in [("ms", 1.0), ("s", 1000.0), ("m", 60_000.0)] where interval.hasSuffix(unit) {
      guard let number = Double(interval.dropLast(unit.count)), number > 0, number * factor < 2e9 else {
        break
      }
      return Int32(max(1, number * factor))
    }
    throw EngineError(
      .invalidArgument, "not a duration: \(interval)", subject: "--interval",
      hint: "give one such as 5s or 100ms")
  }
}

struct Update: RuntimeCommand {
  static let configuration = CommandConfiguration(
    abstract: "Change the limits of a container.", discussion: "What is not said stays as it is.")
  @OptionGroup var global: GlobalOptions
  @Option(name: [.short, .long], help: "A file with `linux.resources`, or - for standard input.")
  var resources: String?
  @Option(help: "10 to 1000.") var blkioWeight: UInt16?
  @Option(help: "In microseconds.") var cpuPeriod: UInt64?
  @Option(parsing: .unconditional, help: "In microseconds of each period; -1 is without a limit.")
  var cpuQuota: Int64?
  @Option(help: "In microseconds that may be saved up.") var cpuBurst: UInt64?
  @Option(help: "2 to 262144.") var cpuShare: UInt64?
  @Option(parsing: .unconditional, help: "In microseconds of each real-time period.") var cpuRtRuntime: Int64?
  @Option(help: "In microseconds.") var cpuRtPeriod: UInt64?
  @Option(help: "1 is only where nobody else wants a processor.") var cpuIdle: Int64?
  @Option(help: "Processors, as 0-2,5.") var cpusetCpus: String?
  @Option(help: "Memory nodes, as 0-1.") var cpusetMems: String?
  @Option(parsing: .unconditional, help: "In bytes, or with k, m or g; -1 is without a limit.") var memory:
    String?
  @Option(parsing: .unconditional, help: "As --memory.") var memoryReservation: String?
  @Option(parsing: .unconditional, help: "Memory and swap together, as --memory.") var memorySwap: String?
  @Option(parsing: .unconditional, help: "Processes and threads; -1 is without a limit.") var pidsLimit:
    Int64?
  @Option(help: "Accepted and ignored: the kernel counts it with --memory.") var kernelMemory: String?
  @Option(help: "Accepted and ignored.") var kernelMemoryTcp: String?
  @Argument(help: "The container's id.") var id: String

  func run() throws { try global.runtime().update(id, wanted()) }

  private func wanted() throws -> RuntimeSpec.Resources {
    if let resources {
      let text =
        resources == "-"
        ? try readSmall(.standardInput, limit: 16 << 20, on: "standard input")
        : Array(try readSmallFile(FilePath(resources), limit: 16 << 20).utf8)
      return try decodeJSON(RuntimeSpec.Resources.self, text, of: resources)
    }
    var wanted = RuntimeSpec.Resources()
    var memory = RuntimeSpec.Memory()
    memory.limit = try bytes(self.memory)
    memory.reservation = try bytes(memoryReservation)
    memory.swap = try bytes(memorySwap)
    if memory != .init() { wanted.memory = memory }
    var cpu = RuntimeSpec.CPU()
    cpu.shares = cpuShare
    cpu.quota = cpuQuota
    cpu.period = cpuPeriod
    cpu.burst = cpuBurst
    cpu.realtimeRuntime = cpuRtRuntime
    cpu.realtimePeriod = cpuRtPeriod
    cpu.idle = cpuIdle
    cpu.cpus = cpusetCpus
    cpu.mems = cpusetMems
    if cpu != .init() { wanted.cpu = cpu }
    wanted.pids = pidsLimit.map { .init(limit: $0) }
    if let blkioWeight {
      wanted.blockIO = .init()
      wanted.blockIO?.weight = blkioWeight
    }
    return wanted
  }

  private func bytes(_ text: String?) throws(EngineError) -> Int64? {
    guard let text else { return nil }
    var digits = text.lowercased()
    if digits.hasSuffix("b"), digits.count > 1 { digits.removeLast() }
    var factor: Int64 = 1
    for (index, unit) in ["k", "m", "g", "t"].enumerated() where digits.hasSuffix(unit) {
      factor = 1 << (10 * (Int64(index) + 1))
      digits.removeLast()
      break
    }
    guard let number = Int64(digits),
      case let (product, false) = number.multipliedReportingOverflow(by: factor),
      product >= -1
    else {
      throw EngineError(
        .invalidArgument, "not a number of bytes: \(text)", hint: "give one such as 512m, or -1 for no limit")
    }
    return product
  }
}
