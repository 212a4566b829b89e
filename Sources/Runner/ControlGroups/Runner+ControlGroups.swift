package import EngineErrors
import Glibc
import LinuxSystem
package import OCIModel
import SystemPackage

/// Containers' control groups: with v2 each has one where the service can make it; with v1, where joining one costs a start
/// some ten milliseconds, those that have limits, and later those that are paused or updated.
extension Runner {
  /// A container's group, whichever service made it; nil where it has none.
  package func controlGroup(_ id: String) -> ControlGroup? { GroupFile.read(directory(of: id)) }

  /// Whether a container that is started with these resources gets a group.
  func wantsGroup(_ resources: RuntimeSpec.Resources?) -> Bool {
    let asks = resources.map { !$0.isEmpty } ?? false
    // Looking for the layout takes some file reads, the first time.
    return (asks || groups.layout.isUnified) && groups.isPossible
  }

  /// Where a container's group will be that is started with these resources; nil where it gets none.
  package func groupView(of id: String, _ resources: RuntimeSpec.Resources?) -> ControlGroupView? {
    wantsGroup(resources) ? .of(groups.group(of: id)) : nil
  }

  /// Makes a container's group in time for its first process. Blocks.
  func makeGroup(_ id: String, _ resources: RuntimeSpec.Resources?) throws(EngineError) {
    let group = groups.group(of: id)
    do {
      try GroupFile.write(group, directory(of: id))
      try groups.make(group)
    } catch {
      // A container without limits runs without a group as well.
      if let resources, !resources.isEmpty {
        throw EngineError("make a control group", wrapping: error, subject: id)
      }
      removeGroup(id)
      return
    }
    if let resources { try group.begin(resources) }
  }

  /// Leaves nothing of a container's group. Blocks until its last processes have ended.
  func removeGroup(_ id: String) {
    guard let group = controlGroup(id) else { return }
    guard (try? group.remove()) != nil else { return }
    _ = directory(of: id).appending(GroupFile.name).withPlatformString { unlink($0) }
  }

  /// The same for a container that has exited, without blocking the caller's thread.
  package func releaseGroup(_ id: String) async {
    guard hasGroup(id) else { return }
    try? await onBlockingThread("cgroup-remove") { removeGroup(id) }
  }

  package func hasGroup(_ id: String) -> Bool {
    directory(of: id).appending(GroupFile.name).withPlatformString { access($0, F_OK) } == 0
  }

  /// Makes a group for a container that has none, with its processes; one that waits for its next start begins in it. Blocks.
  private func ownGroup(_ id: String) throws -> ControlGroup {
    guard case .restarting = try state(id) else { return try adopt(id) }
    let group = groups.group(of: id)
    try GroupFile.write(group, directory(of: id))
    try groups.make(group)
    // Its shim may have looked for the file just before it was there.
    if case .running = try state(id) { return try adopt(id) }
    return group
  }

  /// Gives a running container new limits, or one that waits for its next start; one without a group gets one first.
  ///
  /// - Parameter old: what it has had; written again where the new ones are refused.
  /// - Throws: `invalidArgument` or `conflict` where the kernel refuses them.
  package func update(
    _ id: String, to new: RuntimeSpec.Resources, from old: RuntimeSpec.Resources?
  ) async throws(EngineError) {
    guard groups.isPossible || hasGroup(id) else { return }
    do {
      try await onBlockingThread("cgroup-update") {
        let group = try controlGroup(id) ?? ownGroup(id)
        try group.checkMemory(new)
        do {
          try group.apply(new)
        } catch {
          if let old { try? group.apply(old) }
          throw error
        }
      }
    } catch {
      throw EngineError("update container \(id)", wrapping: error, subject: id)
    }
  }
}
