internal import CLinux
internal import Glibc
internal import SystemPackage

/// Kills a process with what it started: its session, and the descendants by parent at the time of looking.
///
/// A process that made a session of its own and whose parents have ended is not found: only a cgroup holds those.
package enum ProcessTree {
  private struct Entry {
    var pid: CInt
    var parent: CInt
    var session: CInt
    var isZombie: Bool
  }

  /// Sends SIGKILL until nothing of the tree is left to signal. Reads /proc; to be run where blocking is allowed.
  package static func kill(leader: CInt) {
    var signalled: Set<CInt> = []
    // Each round finds what was forked during the one before; a fork bomb does not keep this going for ever.
    for _ in 0..<64 {
      let found = members(of: leader).filter { !signalled.contains($0) }
      if found.isEmpty { return }
      for pid in found {
        if let process = try? ProcessDescriptor(pid: pid) { try? process.signal(SIGKILL) }
        signalled.insert(pid)
      }
    }
  }

  private static func members(of leader: CInt) -> [CInt] {
    let entries = readAll()
    var members: Set<CInt> = [leader]
    for entry in entries where entry.session == leader { members.insert(entry.pid) }
    var grew = true
    while grew {
      grew = false
      for entry in entries where members.contains(entry.parent) {
        if members.insert(entry.pid).inserted { grew = true }
      }
    }
    return entries.filter { members.contains($0.pid) && !$0.isZombie }.map(\.pid)
  }

  private static func readAll() -> [Entry] {
    guard let directory = opendir("/proc") else { return [] }
    defer { closedir(directory) }
    var entries: [Entry] = []
    while let item = readdir(directory) {
      let name = withUnsafePointer(to: &item.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      guard let pid = CInt(name), let entry = ProcessStatus(pid: pid) else { continue }
      entries.append(
        Entry(pid: pid, parent: entry.parent, session: entry.session, isZombie: entry.isZombie))
    }
    return entries
  }
}
