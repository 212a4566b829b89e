package import EngineErrors
import Glibc
import LinuxSystem
import SystemPackage

extension Runner {
  /// What a running container uses: as its control group counts, or its processes as /proc tells of them. Blocks.
  ///
  /// - Throws: `conflict` for one that does not run.
  package func usage(_ id: String) throws(EngineError) -> ResourceUsage {
    let first = try livingProcess(id)
    var usage = ResourceUsage()
    let group = controlGroup(id)
    // A group without all controllers, as an ordinary user may have, does not count everything.
    if group?.countsAll != true {
      measureProcesses(group?.processes().sorted() ?? ContainerProcesses.ids(of: first), &usage)
    }
    group?.measure(&usage)
    if let group, group.earlierCPUTime != nil {
      // What its processes had before they came is counted where they were.
      var mapped = ResourceUsage()
      measureProcesses(group.processes().sorted(), &mapped)
      usage.memory = max(usage.memory, mapped.memory)
    }
    measureNetwork(first, &usage)
    return usage
  }

  /// The processes of a running container, by their numbers. Blocks.
  package func processes(_ id: String) throws(EngineError) -> [LivingProcess] {
    let first = try livingProcess(id)
    // With a group, also those that belong to no pid namespace of the container's.
    let ids = controlGroup(id)?.processes().sorted() ?? []
    return (ids.isEmpty ? ContainerProcesses.ids(of: first) : ids).compactMap(ContainerProcesses.process)
  }

  private func livingProcess(_ id: String) throws(EngineError) -> Int32 {
    do { return try firstProcess(id).named.pid } catch {
      throw EngineError("look at the processes of container \(id)", wrapping: error, subject: id)
    }
  }

  private func measureProcesses(_ ids: [Int32], _ usage: inout ResourceUsage) {
    for process in ids.compactMap(ContainerProcesses.process) {
      usage.cpuTime = usage.cpuTime.saturating(process.cpuTime)
      usage.processes += UInt64(max(process.threads, 0))
      usage.memory = usage.memory.saturating(
        // Shared pages divided by those who share them.
        ContainerProcesses.mappedBytes("Pss:", process.pid) ?? process.residentBytes)
    }
  }

  /// Of all interfaces but the loopback one; nothing for a container with the service's network.
  private func measureNetwork(_ first: Int32, _ usage: inout ResourceUsage) {
    func network(_ process: String) -> String? {
      var buffer = [CChar](repeating: 0, count: 64)
      let count = readlink("/proc/\(process)/ns/net", &buffer, buffer.count - 1)
      return count > 0
        ? String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self) : nil
    }
    guard let inside = network("\(first)"), inside != network("self"),
      let text = ControlGroup.read(FilePath("/proc/\(first)/net/dev"))
    else { return }
    let traffic = NetworkTraffic(text)
    usage.receivedBytes = traffic.received
    usage.sentBytes = traffic.sent
  }
}

/// /proc/PID/net/dev: two lines of headings, then `name: 8 numbers received, 8 sent`.
struct NetworkTraffic: Hashable {
  var received: UInt64 = 0
  var sent: UInt64 = 0

  init(_ text: String) {
    for line in text.split(separator: "\n").dropFirst(2) {
      let halves = line.split(separator: ":", maxSplits: 1)
      guard halves.count == 2, halves[0].filter({ $0 != " " }) != "lo" else { continue }
      let numbers = halves[1].split(separator: " ").map { UInt64($0) ?? 0 }
      guard numbers.count >= 16 else { continue }
      received = received.saturating(numbers[0])
      sent = sent.saturating(numbers[8])
    }
  }
}
