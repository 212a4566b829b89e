package import EngineErrors
import Glibc
import LinuxSystem
import SystemPackage

extension Runner {
  /// Makes a group for a container that runs without one, and moves all its processes. Blocks.
  func adopt(_ id: String) throws -> ControlGroup {
    try groups.adopt(groups.group(of: id), first: firstProcess(id).named.pid, directory(of: id))
  }

  /// Holds all processes of a running container. The caller holds its state lock.
  ///
  /// - Throws: `unsupported` where it can have no control group; `conflict` for a process that waits in the kernel.
  package func pause(_ id: String) async throws(EngineError) {
    do {
      try await onBlockingThread("cgroup-pause") {
        var group = controlGroup(id)
        if group == nil, groups.isPossible { group = try adopt(id) }
        guard let group, group.canFreeze
        else {
          throw EngineError(
            .unsupported, "cannot pause container \(id): it can have no control group", subject: id,
            hint: groups.layout.isUnified
              ? "start the service where a control group is delegated to this user: systemd-run --user --scope"
              : "this machine uses cgroup v1, whose groups only root can make")
        }
        // From here on every service looks whether it is held.
        try RunFiles.write(file(RunFiles.paused, of: id), [("paused", 1)])
        do { try group.freeze() } catch {
          unmarkPaused(id)
          throw error
        }
      }
    } catch {
      throw EngineError("pause container \(id)", wrapping: error, subject: id)
    }
  }

  /// Lets a container's processes go on; nothing happens to one that is not held.
  package func unpause(_ id: String) {
    controlGroup(id)?.thaw()
    unmarkPaused(id)
  }

  private func unmarkPaused(_ id: String) {
    _ = file(RunFiles.paused, of: id).withPlatformString { unlink($0) }
  }

  /// What its freezer says; `paused` in its run directory says whether that is worth asking.
  func isFrozen(_ id: String) -> Bool { controlGroup(id)?.isFrozen == true }
}

extension ControlGroups {
  /// Makes a group and moves a container into it that runs without one.
  ///
  /// - Parameter directory: gets the file that names the group.
  func adopt(_ group: ControlGroup, first: Int32, _ directory: FilePath) throws -> ControlGroup {
    var group = group
    group.earlierCPUTime = ContainerProcesses.of(first).reduce(0) { $0 + $1.cpuTime }
    try GroupFile.write(group, directory)
    try make(group)
    var moved: Set<Int32> = []
    // What is forked by one that has not been moved yet is found by the next look; what a moved one forks is inside.
    for _ in 0..<1000 {
      let outside = Set(ContainerProcesses.ids(of: first)).subtracting(moved)
      if outside.isEmpty { return group }
      for pid in outside { try group.move(pid) }
      moved.formUnion(outside)
    }
    throw EngineError(.conflict, "cannot move the container's processes: they change too fast")
  }
}
