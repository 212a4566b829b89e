package import EngineErrors
import Glibc
import LinuxSystem
package import OCIModel
package import SystemPackage

/// The control group of a bundle's container, where `linux.cgroupsPath` says: an absolute path below the hierarchies' mounts,
/// another below the group of this process, or `slice:prefix:name`, which is the directory that systemd would make. Without one
/// it is the engine's own place.
package struct BundleControlGroup {
  private let groups: ControlGroups
  private let id: String
  private let isGiven: Bool

  /// - Throws: `invalidArgument`.
  package init(_ path: String?, id: String) throws(EngineError) {
    let path = path ?? ""
    isGiven = !path.isEmpty
    guard isGiven else {
      groups = ControlGroups()
      self.id = id
      return
    }
    let place = FilePath(try Self.expanded(path))
    guard let name = place.lastComponent, !place.components.contains(where: { $0.kind != .regular }) else {
      throw EngineError(.invalidArgument, "not a control group: \(path)", subject: "linux.cgroupsPath")
    }
    groups = ControlGroups(
      parent: FilePath(root: nil, place.removingLastComponent().components),
      place: place.isAbsolute ? .mount : .own)
    self.id = name.string
  }

  /// `user-1000.slice:docker:ID` to `/user.slice/user-1000.slice/docker-ID.scope`.
  private static func expanded(_ path: String) throws(EngineError) -> String {
    let parts = path.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 3, !path.hasPrefix("/") else { return path }
    let slice = parts[0].isEmpty ? "system.slice" : parts[0]
    guard slice.hasSuffix(".slice"), !slice.contains("/"), !parts[2].isEmpty else {
      throw EngineError(
        .invalidArgument, "not a slice, a prefix and a name: \(path)", subject: "linux.cgroupsPath")
    }
    var place = ""
    if slice != "-.slice" {
      let words = slice.dropLast(".slice".count).split(separator: "-")
      for count in 1...max(1, words.count) { place += "/\(words.prefix(count).joined(separator: "-")).slice" }
    }
    let unit = parts[1].isEmpty ? parts[2] : "\(parts[1])-\(parts[2])"
    return "\(place)/\(unit)\(unit.hasSuffix(".slice") ? "" : ".scope")"
  }

  /// Whether the container gets one: it costs a start with v1 some ten milliseconds.
  package func isWanted(_ resources: RuntimeSpec.Resources?) -> Bool {
    isGiven || groups.layout.isUnified || resources.map { !$0.isEmpty } == true
  }

  /// Makes it, with the container's limits.
  ///
  /// - Parameters:
  ///   - directory: the container's state; gets the file that names the group.
  ///   - isRootless: a group that cannot be made is no reason to fail.
  ///   - warn: gets what does not apply here.
  /// - Returns: nil where there is none.
  package func make(
    _ resources: RuntimeSpec.Resources?, in directory: FilePath, isRootless: Bool, warn: (String) -> Void
  ) throws(EngineError) -> ControlGroup? {
    let group = groups.group(of: id)
    guard groups.isPossible else {
      warnOfAll(resources, nil, warn)
      return nil
    }
    guard group.processes().isEmpty else {
      throw EngineError(
        .conflict, "the container's control group has processes: \(group.shownPath ?? "")",
        subject: "linux.cgroupsPath")
    }
    do {
      try GroupFile.write(group, directory)
      try groups.make(group)
    } catch {
      let error = EngineError("make a control group", wrapping: error, subject: "linux.cgroupsPath")
      guard isRootless else { throw error }
      try? Self.remove(directory)
      warnOfAll(resources, error, warn)
      return nil
    }
    if let resources {
      try group.checkUnified(resources)
      for missing in groups.unapplied(resources, in: group) {
        warn("linux.resources.\(missing.member) does not apply: \(missing.reason)")
      }
      if !group.isUnified, resources.unified?.isEmpty == false {
        warn("linux.resources.unified does not apply: this machine uses cgroup v1")
      }
      try group.begin(resources)
    }
    return group
  }

  private func warnOfAll(
    _ resources: RuntimeSpec.Resources?, _ error: EngineError?, _ warn: (String) -> Void
  ) {
    guard let resources else { return }
    // No devices: what an ordinary user may not open, its containers may not.
    for missing in ControlGroups().unapplied(resources) where missing.member != "devices" {
      warn("linux.resources.\(missing.member) does not apply: \(error?.description ?? missing.reason)")
    }
  }

  /// Makes a group for a running container that has none.
  package func adopt(first: Int32, directory: FilePath) throws(EngineError) -> ControlGroup {
    do {
      guard groups.isPossible else {
        throw EngineError(
          .unsupported, "the container can have no control group",
          hint: "this user may make none; run it as root, or where one is delegated")
      }
      return try groups.adopt(groups.group(of: id), first: first, directory)
    } catch {
      throw EngineError("make a control group", wrapping: error)
    }
  }

  /// The group of a container's state directory; nil where it has none.
  package static func of(_ directory: FilePath) -> ControlGroup? { GroupFile.read(directory) }

  /// Kills what is in it, and leaves nothing.
  package static func remove(_ directory: FilePath) throws(EngineError) {
    guard let group = GroupFile.read(directory) else { return }
    try group.remove()
    unlink(directory.appending(GroupFile.name).string)
  }
}

extension RuntimeSpec.Resources {
  /// With what every container may use besides what its rules allow, as runc and crun add it: what `/dev` always has, and nodes
  /// that cannot be opened.
  package func withStandardDevices() -> RuntimeSpec.Resources {
    guard let devices, !devices.isEmpty else { return self }
    var resources = self
    let nodes: [(Int64?, Int64?)] = [
      (1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2), (136, nil),
    ]
    resources.devices =
      devices
      + ["c", "b"].map { RuntimeSpec.DeviceRule(allow: true, type: $0, access: "m") }
      + nodes.map {
        RuntimeSpec.DeviceRule(allow: true, type: "c", major: $0.0, minor: $0.1, access: "rwm")
      }
    return resources
  }
}
