package import EngineErrors
import Glibc
import LinuxSystem
package import OCIModel
import Synchronization
import SystemPackage

/// Makes containers' control groups, `coracle/ID` below where this service may make some. Nothing is looked at or made before
/// the first one is wanted.
package final class ControlGroups: Sendable {
  private let found: Mutex<ControlGroupLayout?>
  private let parentsAreMade = Mutex(false)

  package init() { found = Mutex(nil) }

  /// With a layout that somebody else has found.
  package init(layout: ControlGroupLayout) { found = Mutex(layout) }

  package var layout: ControlGroupLayout {
    found.withLock { found in
      if let found { return found }
      let layout = Self.look()
      found = layout
      return layout
    }
  }

  /// Whether groups can be made at all, with controllers or without.
  package var isPossible: Bool { !layout.hierarchies.isEmpty }

  /// Whether a group can say which devices its processes may use.
  package var hasDeviceRules: Bool {
    !layout.isUnified && layout.hierarchies.contains { $0.controllers.contains(.devices) }
  }

  private static func look() -> ControlGroupLayout {
    func text(_ path: FilePath) -> String { ControlGroup.read(path) ?? "" }
    return ControlGroupLayout(mounts: text("/proc/self/mountinfo"), membership: text("/proc/self/cgroup")) {
      directory, isUnified in
      let files = isUnified ? ["cgroup.procs", "cgroup.subtree_control"] : ["cgroup.procs"]
      return ([directory] + files.map { directory.appending($0) }).allSatisfy {
        $0.withPlatformString { access($0, W_OK) } == 0
      }
    } controllers: {
      text($0.appending("cgroup.controllers"))
    }
  }

  /// The group that a container of this service gets, made or not.
  package func group(of id: String) -> ControlGroup {
    ControlGroup(
      isUnified: layout.isUnified,
      parts: layout.hierarchies.map {
        .init(controllers: $0.controllers, directory: $0.base.appending("coracle").appending(id))
      })
  }

  /// Makes a group, empty, and without limits.
  ///
  /// - Throws: `EngineError`; what was made stays, to be removed.
  package func make(_ group: ControlGroup) throws(EngineError) {
    do {
      try makeParents()
      for part in group.parts {
        do {
          try make(part)
        } catch let error as SystemError where error.errno == .noSuchFileOrDirectory {
          // Somebody tidied up.
          parentsAreMade.withLock { $0 = false }
          try makeParents()
          try make(part)
        }
      }
    } catch {
      throw EngineError("make a control group", wrapping: error)
    }
  }

  private func make(_ part: ControlGroup.Part) throws {
    let directory = part.directory
    if mkdir(directory.string, 0o755) != 0, errno != EEXIST {
      throw SystemError("mkdir", Errno(rawValue: errno), on: directory.string)
    }
    if !layout.isUnified, part.controllers.contains(.cpuset) { try inheritCPUSet(directory) }
  }

  /// A new group of v1's cpuset takes no process until it has processors and memory nodes.
  private func inheritCPUSet(_ directory: FilePath) throws {
    for file in ["cpuset.cpus", "cpuset.mems"] {
      let own = ControlGroup.read(directory.appending(file)) ?? ""
      guard own.trimmed.isEmpty,
        let parents = ControlGroup.read(directory.removingLastComponent().appending(file))
      else { continue }
      try ControlGroup.write(directory.appending(file), parents.trimmed)
    }
  }

  /// The directory `coracle` in each hierarchy, with v2's controllers handed down to what is made in it.
  private func makeParents() throws {
    let layout = layout
    try parentsAreMade.withLock { areMade in
      if areMade { return }
      for hierarchy in layout.hierarchies {
        try make(
          .init(controllers: hierarchy.controllers, directory: hierarchy.base.appending("coracle")))
        guard layout.isUnified else { continue }
        for directory in [hierarchy.base, hierarchy.base.appending("coracle")] { handDown(directory) }
      }
      areMade = true
    }
  }

  /// Each by itself: a controller that the kernel refuses to hand down keeps no other.
  private func handDown(_ directory: FilePath) {
    func words(_ file: String) -> [Substring] {
      (ControlGroup.read(directory.appending(file)) ?? "").split(whereSeparator: \.isWhitespace)
    }
    let (present, enabled) = (words("cgroup.controllers"), words("cgroup.subtree_control"))
    for controller in ControlGroupController.delegated
    where present.contains(controller.rawValue[...]) && !enabled.contains(controller.rawValue[...]) {
      try? ControlGroup.write(directory.appending("cgroup.subtree_control"), "+\(controller.rawValue)")
    }
  }

  // MARK: What does not apply

  /// What of a configuration has no file on this machine, or none that this service may write.
  package func unapplied(_ resources: RuntimeSpec.Resources) -> [UnappliedResource] {
    let settings = resources.settings(unified: layout.isUnified)
    if settings.isEmpty { return [] }
    let parents = ControlGroup(
      isUnified: layout.isUnified,
      parts: layout.hierarchies.map {
        .init(controllers: $0.controllers, directory: $0.base.appending("coracle"))
      })
    if isPossible { try? makeParents() }
    var reasons: [UnappliedResource] = []
    for setting in settings where parents.path(of: setting) == nil {
      let missing = UnappliedResource(member: setting.member, reason: reason(for: setting, parents))
      if !reasons.contains(where: { $0.member == missing.member }) { reasons.append(missing) }
    }
    return reasons
  }

  private func reason(for setting: ControlGroupSetting, _ parents: ControlGroup) -> String {
    guard isPossible else {
      return layout.isUnified
        ? "no control group is delegated to this user; start the service with systemd-run --user --scope"
        : "this machine uses cgroup v1, whose groups only root can make; start the service as root"
    }
    if layout.isUnified {
      let base = parents.parts.first?.directory.removingLastComponent() ?? ""
      let present = (ControlGroup.read(base.appending("cgroup.controllers")) ?? "")
        .split(whereSeparator: \.isWhitespace)
      if !present.contains(setting.controller.rawValue[...]) {
        return
          "the controller \(setting.controller.rawValue) is not in \(base)/cgroup.controllers; have it delegated (Delegate= of the systemd unit)"
      }
      let handedDown = (ControlGroup.read(base.appending("cgroup.subtree_control")) ?? "")
        .split(whereSeparator: \.isWhitespace)
      if !handedDown.contains(setting.controller.rawValue[...]) {
        return
          "\(base) has processes of its own, so its controllers cannot be handed down; start the service in a group below it"
      }
    } else if parents.directory(setting.controller) == nil {
      return "the controller \(setting.controller.legacyName) is not mounted, or not writable"
    }
    return "this kernel has no \(setting.file)"
  }
}

extension String {
  var trimmed: String {
    var text = Substring(self)
    while text.last?.isWhitespace == true { text.removeLast() }
    return String(text)
  }
}
