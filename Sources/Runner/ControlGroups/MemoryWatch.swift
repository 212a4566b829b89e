import CLinux
package import EngineErrors
import Glibc
import LinuxSystem
package import SystemPackage

/// What tells of the kernel's kills in a group for want of memory: v2 marks memory.events as changed, v1 counts up an eventfd.
/// Closed with the value.
package final class MemoryChanges: Sendable {
  package let descriptor: FileDescriptor
  /// Whether a change is urgent (POLLPRI) or something to read (POLLIN).
  package let isUrgent: Bool

  /// - Throws: where the group has no memory controller.
  package init(_ group: ControlGroup) throws {
    guard let directory = group.directory(.memory) else { throw SystemError("open", .noSuchFileOrDirectory) }
    isUrgent = group.isUnified
    if group.isUnified {
      descriptor = try FileDescriptor.open(
        directory.appending("memory.events"), .readOnly, options: [.closeOnExec, .noFollow])
      return
    }
    let control = try FileDescriptor.open(
      directory.appending("memory.oom_control"), .readOnly, options: [.closeOnExec, .noFollow])
    defer { try? control.close() }
    descriptor = FileDescriptor(rawValue: try call("eventfd") { clinux_eventfd() })
    do {
      try ControlGroup.write(
        directory.appending("cgroup.event_control"), "\(descriptor.rawValue) \(control.rawValue)")
    } catch {
      try? descriptor.close()
      throw error
    }
  }

  deinit { try? descriptor.close() }

  /// Makes it tell of the next change.
  package func clear() {
    guard isUrgent else { return clinux_eventfd_drain(descriptor.rawValue) }
    // Reading it from the beginning makes it unchanged.
    var bytes = [UInt8](repeating: 0, count: 256)
    _ = try? bytes.withUnsafeMutableBytes { try descriptor.read(fromAbsoluteOffset: 0, into: $0) }
  }
}

/// Waits for the kernel to kill processes of a container for want of memory.
package final class MemoryWatch: Sendable {
  private let group: ControlGroup
  private let changes: MemoryChanges
  private let shim: ProcessDescriptor

  init(_ group: ControlGroup, _ shim: ProcessDescriptor) throws {
    changes = try MemoryChanges(group)
    self.group = group
    self.shim = shim
  }

  /// Waits until there are more kills than these.
  ///
  /// - Returns: false when the container has ended.
  /// - Throws: `CancellationError` as soon as the task is cancelled.
  package func next(after kills: Int64) async throws -> Bool {
    while true {
      // The kernel tells of a change after this look as well.
      if let now = group.outOfMemoryKills, now > kills { return true }
      try await DescriptorWatcher.shared.changed(
        changes.descriptor, isUrgent: changes.isUrgent, or: shim.descriptor)
      changes.clear()
      if !changes.isUrgent {
        // v1 tells that a process is about to be killed; it counts when it has been.
        for pause in [1, 2, 4, 8, 16, 32, 64, 128, 256] where group.outOfMemoryKills ?? 0 <= kills {
          try await Task.sleep(for: .milliseconds(pause))
        }
      }
      if group.outOfMemoryKills == nil { return false }
      var entry = pollfd(fd: shim.descriptor.rawValue, events: Int16(POLLIN), revents: 0)
      if poll(&entry, 1, 0) > 0 { return false }
    }
  }
}

extension ControlGroup {
  /// How many processes were killed for want of memory; nil where that is not counted.
  package var outOfMemoryKills: Int64? {
    let text = read(.memory, isUnified ? "memory.events" : "memory.oom_control") ?? ""
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ")
      if words.count == 2, words[0] == "oom_kill" { return Int64(words[1]) }
    }
    return nil
  }
}

extension Runner {
  package func outOfMemoryKills(_ id: String) -> Int64? {
    hasGroup(id) ? controlGroup(id)?.outOfMemoryKills : nil
  }

  /// Nil for a container that does not run, or whose group has no memory controller.
  package func memoryWatch(_ id: String) async throws(EngineError) -> MemoryWatch? {
    do {
      guard let group = controlGroup(id), group.outOfMemoryKills != nil, let shim = try runningShim(id) else {
        return nil
      }
      return try MemoryWatch(group, shim)
    } catch {
      throw EngineError("watch the memory of container \(id)", wrapping: error, subject: id)
    }
  }
}
