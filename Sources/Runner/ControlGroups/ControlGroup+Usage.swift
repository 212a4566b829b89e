/// What a container uses, as far as the machine tells.
package struct ResourceUsage: Hashable, Sendable {
  /// In microseconds, since the start.
  package var cpuTime: UInt64 = 0
  package var throttledTime: UInt64?
  /// Of memory in bytes, without caches that can be dropped.
  package var memory: UInt64 = 0
  package var memoryPeak: UInt64?
  package var memoryLimit: UInt64?
  package var swap: UInt64?
  package var outOfMemoryKills: UInt64?
  /// With threads.
  package var processes: UInt64 = 0
  package var processLimit: UInt64?
  /// From and to disks.
  package var readBytes: UInt64?
  package var writtenBytes: UInt64?
  /// From and to the network of its own.
  package var receivedBytes: UInt64?
  package var sentBytes: UInt64?

  package init() {}
}

extension ControlGroup {
  /// What the group's files tell.
  package var usage: ResourceUsage {
    var usage = ResourceUsage()
    measure(&usage)
    return usage
  }

  /// The numbers of memory.stat, in bytes for the most part, by the kernel's names.
  package var memoryStatistics: [String: UInt64] { StatLines(read(.memory, "memory.stat")).all }

  /// Fills in what the group's files tell.
  func measure(_ usage: inout ResourceUsage) {
    if isUnified { measureUnified(&usage) } else { measureLegacy(&usage) }
    usage.outOfMemoryKills = outOfMemoryKills.map { UInt64(clamping: $0) }
    if let current = number(.pids, "pids.current") {
      usage.processes = current
      usage.processLimit = number(.pids, "pids.max")
    }
  }

  /// Whether `measure` tells of processor time, memory and processes.
  var countsAll: Bool {
    number(.pids, "pids.current") != nil
      && number(.memory, isUnified ? "memory.current" : "memory.usage_in_bytes") != nil
      && (isUnified || directory(.cpuacct) != nil)
  }

  private func measureUnified(_ usage: inout ResourceUsage) {
    let cpu = StatLines(read(.cpu, "cpu.stat"))
    if let time = cpu["usage_usec"] { usage.cpuTime = time.saturating(earlierCPUTime ?? 0) }
    usage.throttledTime = cpu["throttled_usec"]
    if let current = number(.memory, "memory.current") {
      let droppable = StatLines(read(.memory, "memory.stat"))["inactive_file"] ?? 0
      usage.memory = current - min(droppable, current)
      usage.memoryPeak = number(.memory, "memory.peak")
      usage.memoryLimit = number(.memory, "memory.max")
      usage.swap = number(.memory, "memory.swap.current")
    }
    if let disks = read(.io, "io.stat") {
      usage.readBytes = Self.sum(disks, "rbytes=")
      usage.writtenBytes = Self.sum(disks, "wbytes=")
    }
  }

  private func measureLegacy(_ usage: inout ResourceUsage) {
    if let time = number(.cpuacct, "cpuacct.usage") {
      usage.cpuTime = (time / 1000).saturating(earlierCPUTime ?? 0)
    }
    usage.throttledTime = StatLines(read(.cpu, "cpu.stat"))["throttled_time"].map { $0 / 1000 }
    if let current = number(.memory, "memory.usage_in_bytes") {
      let stat = StatLines(read(.memory, "memory.stat"))
      usage.memory = current - min(stat["total_inactive_file"] ?? 0, current)
      usage.memoryPeak = number(.memory, "memory.max_usage_in_bytes")
      // Without a limit v1 says the largest number of whole pages.
      usage.memoryLimit = number(.memory, "memory.limit_in_bytes").flatMap { $0 < 1 << 62 ? $0 : nil }
      usage.swap = stat["total_swap"]
    }
    if let disks = read(.io, "blkio.throttle.io_service_bytes_recursive") {
      // `8:0 Read 4096`
      usage.readBytes = Self.sum(disks, after: "Read")
      usage.writtenBytes = Self.sum(disks, after: "Write")
    }
  }

  /// Nil for `max` as well.
  private func number(_ controller: ControlGroupController, _ file: String) -> UInt64? {
    read(controller, file).flatMap { UInt64($0.trimmed) }
  }

  static func sum(_ text: String, _ prefix: String) -> UInt64 {
    var sum: UInt64 = 0
    for word in text.split(whereSeparator: \.isWhitespace) where word.hasPrefix(prefix) {
      sum = sum.saturating(UInt64(word.dropFirst(prefix.count)) ?? 0)
    }
    return sum
  }

  static func sum(_ text: String, after word: String) -> UInt64 {
    var sum: UInt64 = 0
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ")
      if words.count == 3, words[1] == word[...] { sum = sum.saturating(UInt64(words[2]) ?? 0) }
    }
    return sum
  }
}

/// A file of lines with a name and a number.
struct StatLines {
  private var values: [Substring: UInt64] = [:]

  init(_ text: String?) {
    for line in (text ?? "").split(separator: "\n") {
      let words = line.split(separator: " ")
      if words.count == 2 { values[words[0]] = UInt64(words[1]) }
    }
  }

  var all: [String: UInt64] { .init(uniqueKeysWithValues: values.map { (String($0.key), $0.value) }) }

  subscript(_ name: String) -> UInt64? { values[name[...]] }
}

extension UInt64 {
  func saturating(_ other: UInt64) -> UInt64 {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? .max : sum
  }
}
