package import EngineErrors
import Glibc
import LinuxSystem
import Runner
import SystemPackage

extension OCIRuntime {
  /// What a container uses now, as one event in runc's form.
  ///
  /// - Throws: `notFound`; `conflict` for one that does not run; `unsupported` for one without a control group.
  package func statistics(_ id: String) throws(EngineError) -> [UInt8] {
    try RuntimeEvent.statistics(id, watched(id).group)
  }

  /// Follows a container to its end.
  ///
  /// - Parameters:
  ///   - interval: between two events of what it uses, in milliseconds.
  ///   - each: gets every event, one of `oom` as soon as the kernel has killed a process for want of memory.
  package func events(_ id: String, interval: Int32, each: ([UInt8]) throws(EngineError) -> Void)
    throws(EngineError)
  {
    let (group, first) = try watched(id)
    // Without the controller there is nothing to hear of.
    let changes = try? MemoryChanges(group)
    var kills = group.outOfMemoryKills ?? 0
    while true {
      var entries = [pollfd(fd: first.descriptor.rawValue, events: Int16(POLLIN), revents: 0)]
      if let changes {
        entries.append(
          pollfd(
            fd: changes.descriptor.rawValue, events: Int16(changes.isUrgent ? POLLPRI : POLLIN), revents: 0))
      }
      let ready = poll(&entries, nfds_t(entries.count), interval)
      if ready < 0, errno != EINTR {
        throw EngineError("wait for events", SystemError("poll", Errno(rawValue: errno)))
      }
      if let changes, entries.count > 1, entries[1].revents != 0 {
        changes.clear()
        if !changes.isUrgent { awaitKill(group, after: kills) }
      }
      let now = group.outOfMemoryKills ?? kills
      if now > kills { try each(RuntimeEvent.outOfMemory(id)) }
      kills = now
      if entries[0].revents != 0 { return }
      if ready == 0 { try each(RuntimeEvent.statistics(id, group)) }
    }
  }

  /// v1 tells that a process is about to be killed; it counts when it has been.
  private func awaitKill(_ group: ControlGroup, after kills: Int64) {
    var pause: UInt32 = 1000
    while pause < 256_000, group.outOfMemoryKills ?? .max <= kills {
      usleep(pause)
      pause *= 2
    }
  }

  private func watched(_ id: String) throws(EngineError) -> (group: ControlGroup, first: ProcessDescriptor) {
    let directory = try root.directory(of: id)
    guard let first = try firstProcess(try directory.look()) else {
      throw EngineError(.conflict, "container with id \(id) is not running", subject: id)
    }
    guard let group = BundleControlGroup.of(directory.path) else {
      throw EngineError(
        .unsupported, "container \(id) has no control group that counts what it uses", subject: id,
        hint: "name one in linux.cgroupsPath")
    }
    return (group, first)
  }
}

/// Lines of `events`, in runc's form.
enum RuntimeEvent {
  private struct Line<Content: Encodable>: Encodable {
    var type: String
    var id: String
    var data: Content?
  }

  private struct Statistics: Encodable {
    var cpu: CPU
    var memory: Memory
    var pids: PIDs
    var blkio: BlockIO
  }

  private struct CPU: Encodable {
    var usage: Usage
    var throttling: Throttling

    struct Usage: Encodable {
      /// In nanoseconds.
      var total: UInt64
    }
    struct Throttling: Encodable { var throttledTime: UInt64? }
  }

  private struct Memory: Encodable {
    var usage: Amount
    var swap: Amount
    var oomKills: UInt64?
    var raw: [String: UInt64]

    struct Amount: Encodable {
      var limit: UInt64?
      var usage: UInt64?
      var max: UInt64?
    }
  }

  private struct PIDs: Encodable {
    var current: UInt64
    var limit: UInt64?
  }

  private struct BlockIO: Encodable {
    var readBytes: UInt64?
    var writtenBytes: UInt64?
  }

  static func outOfMemory(_ id: String) throws(EngineError) -> [UInt8] {
    try encodeJSON(Line<Bool>(type: "oom", id: id))
  }

  static func statistics(_ id: String, _ group: ControlGroup) throws(EngineError) -> [UInt8] {
    let usage = group.usage
    func nanoseconds(_ time: UInt64) -> UInt64 {
      let (product, overflow) = time.multipliedReportingOverflow(by: 1000)
      return overflow ? .max : product
    }
    let statistics = Statistics(
      cpu: CPU(
        usage: .init(total: nanoseconds(usage.cpuTime)),
        throttling: .init(throttledTime: usage.throttledTime.map(nanoseconds))),
      memory: Memory(
        usage: .init(limit: usage.memoryLimit, usage: usage.memory, max: usage.memoryPeak),
        swap: .init(usage: usage.swap), oomKills: usage.outOfMemoryKills, raw: group.memoryStatistics),
      pids: PIDs(current: usage.processes, limit: usage.processLimit),
      blkio: BlockIO(readBytes: usage.readBytes, writtenBytes: usage.writtenBytes))
    return try encodeJSON(Line(type: "stats", id: id, data: statistics))
  }
}
