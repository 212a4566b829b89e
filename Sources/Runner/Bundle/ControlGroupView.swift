import EngineErrors
import LinuxSystem
import OCIModel
package import SystemPackage

/// The cgroup hierarchies of the machine, as a container sees its own part of them at /sys/fs/cgroup.
package enum ControlGroupView: Hashable, Sendable {
  /// Version 2; the container's directory.
  case unified(FilePath)
  /// Version 1: the hierarchies, and the container's directory in each.
  case legacy([Hierarchy])

  package struct Hierarchy: Hashable, Sendable {
    /// As /proc/self/cgroup names it: `cpu,cpuacct`, or `name=systemd`.
    package var controllers: String
    /// Its directory's name below /sys/fs/cgroup.
    package var name: String
    package var directory: FilePath

    package init(controllers: String, name: String, directory: FilePath) {
      self.controllers = controllers
      self.name = name
      self.directory = directory
    }
  }

  /// What mounts it: with a namespace of its own the file system shows the container's part, otherwise the part is bound.
  func operations(
    _ mount: RuntimeSpec.Mount, hasNamespace: Bool
  ) throws(EngineError) -> [LaunchPlan.Operation] {
    var plain = mount
    plain.type = "tmpfs"
    plain.source = "tmpfs"
    plain.options = (mount.options ?? []).filter { ["nosuid", "noexec", "nodev", "relatime"].contains($0) }
    let isReadOnly = (mount.options ?? []).contains("ro")
    let target = mount.destination
    switch self {
    case .unified(let directory):
      var own = plain
      own.options = (plain.options ?? []) + (isReadOnly ? ["ro"] : []) + (hasNamespace ? [] : ["rbind"])
      own.type = hasNamespace ? "cgroup2" : "bind"
      own.source = hasNamespace ? "cgroup2" : directory.string
      return [try MountCompiler.operation(own)]
    case .legacy(let hierarchies):
      plain.options = (plain.options ?? []) + ["mode=755"]
      var operations = [try MountCompiler.operation(plain)]
      for hierarchy in hierarchies {
        var one = plain
        one.destination = "\(target)/\(hierarchy.name)"
        one.options = (mount.options ?? []).filter {
          ["nosuid", "noexec", "nodev", "relatime", "ro"].contains($0)
        }
        one.type = hasNamespace ? "cgroup" : "bind"
        one.source = hasNamespace ? "cgroup" : hierarchy.directory.string
        one.options =
          (one.options ?? [])
          + (hasNamespace ? hierarchy.controllers.split(separator: ",").map(String.init) : ["rbind"])
        operations.append(try MountCompiler.operation(one))
        for controller in hierarchy.controllers.split(separator: ",")
        where hierarchy.controllers.contains(",") {
          operations.append(.makeSymlink(target: "\(target)/\(controller)", content: hierarchy.name))
        }
      }
      // The mounts below keep their own.
      if isReadOnly { operations.append(.readOnlyPath(target)) }
      return operations
    }
  }
}

extension ControlGroupView {
  /// The part that a container has whose group this is; where it is in none of its own, the part that this process is in.
  package static func of(_ group: ControlGroup?) -> ControlGroupView {
    if let group, group.isUnified, let part = group.parts.first { return .unified(part.directory) }
    let lines = ((try? readSmallFile("/proc/self/cgroup", limit: 64 << 10)) ?? "").split(separator: "\n")
    var hierarchies: [Hierarchy] = []
    for line in lines {
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
      guard parts.count == 3, !parts[1].isEmpty else { continue }
      let name = parts[1].hasPrefix("name=") ? String(parts[1].dropFirst(5)) : parts[1]
      let mounted = FilePath("/sys/fs/cgroup").appending(name)
      guard fileExists(mounted) else { continue }
      let controllers = parts[1].split(separator: ",").compactMap(ControlGroupController.init(legacyName:))
      let part = group?.parts.first { !$0.controllers.filter(controllers.contains).isEmpty }
      hierarchies.append(
        Hierarchy(
          controllers: parts[1], name: name,
          directory: part?.directory ?? FilePath(mounted.string + parts[2])))
    }
    guard hierarchies.isEmpty else { return .legacy(hierarchies.sorted { $0.name < $1.name }) }
    let own = lines.first { $0.hasPrefix("0::") }.map { String($0.dropFirst(3)) } ?? "/"
    return .unified(FilePath("/sys/fs/cgroup" + own))
  }
}
