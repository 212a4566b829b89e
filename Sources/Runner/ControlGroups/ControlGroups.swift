package import EngineErrors
import Glibc
import LinuxSystem
package import OCIModel
import Synchronization
package import SystemPackage

/// Makes containers' control groups: a service's are `coracle/ID` below where it may make some. Nothing is looked at or made
/// before the first one is wanted.
package final class ControlGroups: Sendable {
  private let found: Mutex<ControlGroupLayout?>
  private let parentsAreMade = Mutex(false)
  private let place: ControlGroupLayout.Place
  /// What groups are made in, below the base of each hierarchy.
  private let parent: FilePath

  package init(parent: FilePath = "coracle", place: ControlGroupLayout.Place = .usable) {
    found = Mutex(nil)
    self.parent = parent
    self.place = place
  }

  /// With a layout that somebody else has found.
  package init(layout: ControlGroupLayout) {
    found = Mutex(layout)
    place = .usable
    parent = "coracle"
  }

  package var layout: ControlGroupLayout {
    found.withLock { found in
      if let found { return found }
      let layout = Self.look(place)
      found = layout
      return layout
    }
  }

  /// Whether groups can be made at all, with controllers or without.
  package var isPossible: Bool { !layout.hierarchies.isEmpty }

  /// Whether a group can say which devices its processes may use.
  package var hasDeviceRules: Bool {
    layout.isUnified
      ? isPossible && DeviceProgram.isPossible
      : layout.hierarchies.contains { $0.controllers.contains(.devices) }
  }

  private static func look(_ place: ControlGroupLayout.Place) -> ControlGroupLayout {
    func text(_ path: FilePath) -> String { ControlGroup.read(path) ?? "" }
    return ControlGroupLayout(
      mounts: text("/proc/self/mountinfo"), membership: text("/proc/self/cgroup"), place: place
    ) { directory, isUnified in
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
    var group = parents
    for index in group.parts.indices { group.parts[index].directory.append(id) }
    return group
  }

  private var parents: ControlGroup {
    ControlGroup(
      isUnified: layout.isUnified,
      parts: layout.hierarchies.map {
        .init(controllers: $0.controllers, directory: $0.base.appending(parent.components))
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

  /// The directories down to `parent` in each hierarchy, with v2's controllers handed down to what is made in it.
  private func makeParents() throws {
    let layout = layout
    try parentsAreMade.withLock { areMade in
      if areMade { return }
      for hierarchy in layout.hierarchies {
        var directory = hierarchy.base
        if layout.isUnified { handDown(directory) }
        for component in parent.components {
          directory.append(component)
          try make(.init(controllers: hierarchy.controllers, directory: directory))
          if layout.isUnified { handDown(directory) }
        }
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
    if resources.settings(unified: layout.isUnified).isEmpty { return [] }
    if isPossible { try? makeParents() }
    return unapplied(resources, in: parents)
  }

  /// What of a configuration has no file in a group.
  func unapplied(_ resources: RuntimeSpec.Resources, in group: ControlGroup) -> [UnappliedResource] {
    var reasons: [UnappliedResource] = []
    for setting in resources.settings(unified: layout.isUnified)
    where !setting.isOptional && group.path(of: setting) == nil {
      let missing = UnappliedResource(member: setting.member, reason: reason(for: setting, group))
      if !reasons.contains(where: { $0.member == missing.member }) { reasons.append(missing) }
    }
    return reasons
  }

  private func reason(for setting: ControlGroupSetting, _ group: ControlGroup) -> String {
    guard isPossible else {
      return layout.isUnified
        ? "no control group is delegated to this user; start the service with systemd-run --user --scope"
        : "this machine uses cgroup v1, whose groups only root can make; start the service as root"
    }
    guard let controller = setting.controller else { return "this kernel has no \(setting.file)" }
    if layout.isUnified {
      let base = layout.hierarchies.first?.base ?? ""
      let present = (ControlGroup.read(base.appending("cgroup.controllers")) ?? "")
        .split(whereSeparator: \.isWhitespace)
      if !present.contains(controller.rawValue[...]) {
        return
          "the controller \(controller.rawValue) is not in \(base)/cgroup.controllers; have it delegated (Delegate= of the systemd unit)"
      }
      let handedDown = (ControlGroup.read(base.appending("cgroup.subtree_control")) ?? "")
        .split(whereSeparator: \.isWhitespace)
      if !handedDown.contains(controller.rawValue[...]) {
        return
          "\(base) has processes of its own, so its controllers cannot be handed down; start the service in a group below it"
      }
    } else if group.directory(controller) == nil {
      return "the controller \(controller.legacyName) is not mounted, or not writable"
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
