import Glibc
import LinuxSystem
import SystemPackage

/// A process of a container, as /proc tells of it.
package struct LivingProcess: Hashable, Sendable {
  /// As the host counts, as is `parent`.
  package var pid: Int32
  package var parent: Int32
  /// As the container counts.
  package var containerPid: Int32
  package var user: UInt32
  package var state: String
  package var threads: Int64
  /// Its own and that of the children that it has waited for, in microseconds.
  package var cpuTime: UInt64
  package var residentBytes: UInt64
  /// In nanoseconds since 1970.
  package var startedAt: Int64
  package var command: [String]
}

/// Finds the processes of a container without a control group: those in its mount and pid namespaces, and their descendants,
/// which may have namespaces of their own. The mounts are this container's alone; its pid namespace may be the host's, or
/// another container's, whose processes are not meant.
package enum ContainerProcesses {
  package static func ids(of first: Int32) -> [Int32] {
    let own = namespace("mnt", "self")
    let (mounts, pids) = (namespace("mnt", "\(first)"), namespace("pid", "\(first)"))
    var parents: [Int32: Int32] = [:]
    var members: Set<Int32> = [first]
    for name in (try? directoryEntries("/proc")) ?? [] {
      guard let pid = Int32(name), let status = ProcessStatus(pid: pid), !status.isZombie else { continue }
      parents[pid] = status.parent
      // With the service's own mounts it is descent alone that tells.
      if mounts != nil, mounts != own, namespace("mnt", name) == mounts, namespace("pid", name) == pids {
        members.insert(pid)
      }
    }
    var grew = true
    while grew {
      grew = false
      for (pid, parent) in parents where !members.contains(pid) && members.contains(parent) {
        members.insert(pid)
        grew = true
      }
    }
    return members.filter { parents[$0] != nil }.sorted()
  }

  /// Those that end meanwhile are left out.
  package static func of(_ first: Int32) -> [LivingProcess] { ids(of: first).compactMap(process) }

  private static func namespace(_ kind: String, _ process: String) -> String? {
    var buffer = [CChar](repeating: 0, count: 64)
    let count = readlink("/proc/\(process)/ns/\(kind)", &buffer, buffer.count - 1)
    return count > 0 ? String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self) : nil
  }

  package static func process(_ pid: Int32) -> LivingProcess? {
    func text(_ file: String) -> String? { ControlGroup.read(FilePath("/proc/\(pid)/\(file)")) }
    guard let stat = text("stat"), let end = stat.utf8.lastIndex(of: UInt8(ascii: ")")) else { return nil }
    // From the state on, the third field of proc(5).
    let fields = stat[stat.utf8.index(after: end)...].split(separator: " ")
    guard fields.count > 21, let parent = Int32(fields[1]) else { return nil }
    func number(_ field: Int) -> UInt64 { UInt64(clamping: Int64(fields[field - 3]) ?? 0) }
    let status = ProcStatus(text("status") ?? "")
    return LivingProcess(
      pid: pid, parent: parent, containerPid: status.innermostPid ?? pid, user: status.effectiveUser ?? 0,
      state: String(fields[0]), threads: Int64(clamping: number(20)),
      cpuTime: Ticks.microseconds([14, 15, 16, 17].reduce(0) { $0 &+ number($1) }),
      residentBytes: residentBytes(pid, pages: number(24)),
      startedAt: Ticks.wallClock(number(22)),
      command: (text("cmdline") ?? "").split(separator: "\0").map(String.init))
  }
}

extension ContainerProcesses {
  /// Kernels before 6.2 count the first 64 pages of a thread late: a small process may have none by their numbers. What is mapped
  /// is looked at then.
  private static func residentBytes(_ pid: Int32, pages: UInt64) -> UInt64 {
    let counted = pages.multipliedReportingOverflow(by: UInt64(getpagesize())).partialValue
    guard pages < 64 else { return counted }
    return max(counted, mappedBytes("Rss:", pid) ?? 0)
  }

  /// A sum over all that a process has mapped (/proc/PID/smaps_rollup); nil where this process may not see it.
  static func mappedBytes(_ name: String, _ pid: Int32) -> UInt64? {
    guard let text = ControlGroup.read(FilePath("/proc/\(pid)/smaps_rollup")),
      let line = text.split(separator: "\n").first(where: { $0.hasPrefix(name) }),
      let kilobytes = line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap({ UInt64($0) })
    else { return nil }
    return kilobytes.multipliedReportingOverflow(by: 1024).partialValue
  }
}

/// What is wanted of /proc/PID/status.
private struct ProcStatus {
  var innermostPid: Int32?
  var effectiveUser: UInt32?

  init(_ text: String) {
    for line in text.split(separator: "\n") {
      let words = line.split(whereSeparator: \.isWhitespace)
      switch words.first {
      case "NSpid:": innermostPid = words.last.flatMap { Int32($0) }
      case "Uid:" where words.count > 2: effectiveUser = UInt32(words[2])
      default: break
      }
    }
  }
}

/// The kernel's clock ticks, a hundredth of a second as a rule (sysconf(3), _SC_CLK_TCK).
enum Ticks {
  private static let perSecond = UInt64(max(sysconf(Int32(_SC_CLK_TCK)), 1))
  /// When the machine was started, in nanoseconds since 1970.
  private static var boot: Int64 {
    var time = timespec()
    clock_gettime(CLOCK_BOOTTIME, &time)
    return Timestamp.now - (Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
  }

  static func microseconds(_ ticks: UInt64) -> UInt64 {
    let (product, overflow) = ticks.multipliedReportingOverflow(by: 1_000_000)
    return overflow ? .max : product / perSecond
  }

  static func wallClock(_ ticksSinceBoot: UInt64) -> Int64 {
    let (sum, overflow) = boot.addingReportingOverflow(
      Int64(clamping: microseconds(ticksSinceBoot)).multipliedReportingOverflow(by: 1000).partialValue)
    return overflow ? .max : sum
  }
}
