package import SystemPackage

/// Where in the machine's control group hierarchies a service may make groups.
///
/// With any of v1's controllers mounted the layout is v1's, also where an empty v2 hierarchy is mounted beside them.
package struct ControlGroupLayout: Hashable, Sendable {
  package struct Hierarchy: Hashable, Sendable {
    package var controllers: [ControlGroupController]
    /// The directory that the engine's own is made in.
    package var base: FilePath

    package init(controllers: [ControlGroupController], base: FilePath) {
      self.controllers = controllers
      self.base = base
    }
  }

  /// Which directory of a hierarchy is the base.
  package enum Place: Hashable, Sendable {
    /// The uppermost, from the mount down to this process's own group, that it may make groups in.
    case usable
    /// What is mounted.
    case mount
    /// This process's own group.
    case own
  }

  package var isUnified: Bool
  /// One with v2; with v1 those that this service may make groups in. Empty where it may in none.
  package var hierarchies: [Hierarchy]

  package init(isUnified: Bool, hierarchies: [Hierarchy]) {
    self.isUnified = isUnified
    self.hierarchies = hierarchies
  }

  /// - Parameters:
  ///   - mounts: /proc/self/mountinfo.
  ///   - membership: /proc/self/cgroup.
  ///   - mayUse: whether this process may make groups in a directory and move processes there.
  ///   - controllers: what a v2 directory's cgroup.controllers says.
  package init(
    mounts: String, membership: String, place: Place = .usable,
    mayUse: (_ directory: FilePath, _ isUnified: Bool) -> Bool,
    controllers: (FilePath) -> String
  ) {
    let own = Self.ownGroups(membership)
    var legacy: [Hierarchy] = []
    var unified: Hierarchy?
    var hasLegacy = false
    for mount in mounts.split(separator: "\n").compactMap(Mount.init) {
      if mount.isUnified {
        guard unified == nil, let base = mount.base(of: own[""] ?? "/", place, { mayUse($0, true) }) else {
          continue
        }
        let names = controllers(base).split(whereSeparator: \.isWhitespace)
        unified = Hierarchy(
          controllers: names.compactMap { ControlGroupController(rawValue: String($0)) }, base: base)
      } else if !mount.controllers.isEmpty {
        hasLegacy = true
        let name = mount.controllers.map(\.legacyName)
        guard !legacy.contains(where: { $0.controllers == mount.controllers }) else { continue }
        let group = own.first { $0.key.split(separator: ",").contains { name.contains(String($0)) } }?.value
        guard let base = mount.base(of: group ?? "/", place, { mayUse($0, false) }) else { continue }
        legacy.append(Hierarchy(controllers: mount.controllers, base: base))
      }
    }
    isUnified = !hasLegacy
    hierarchies = hasLegacy ? legacy : [unified].compactMap(\.self)
  }

  /// Paths by the controllers' names as the kernel lists them; v2's by the empty text.
  private static func ownGroups(_ membership: String) -> [String: String] {
    var groups: [String: String] = [:]
    for line in membership.split(separator: "\n") {
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      if fields.count == 3 { groups[String(fields[1])] = String(fields[2]) }
    }
    return groups
  }

  private struct Mount {
    var root: String
    var point: FilePath
    var isUnified: Bool
    var controllers: [ControlGroupController]

    /// Nil for what is no control group hierarchy.
    init?(_ line: Substring) {
      let halves = line.split(separator: " - ", maxSplits: 1)
      guard halves.count == 2 else { return nil }
      let (fields, kind) = (halves[0].split(separator: " "), halves[1].split(separator: " "))
      guard fields.count >= 6, kind.count >= 3, ["cgroup", "cgroup2"].contains(kind[0]) else { return nil }
      root = Self.unescaped(fields[3])
      point = FilePath(Self.unescaped(fields[4]))
      isUnified = kind[0] == "cgroup2"
      controllers =
        isUnified ? [] : kind[2].split(separator: ",").compactMap(ControlGroupController.init(legacyName:))
    }

    /// Nil where there is none that may be used.
    func base(of group: String, _ place: Place, _ mayUse: (FilePath) -> Bool) -> FilePath? {
      var inside = FilePath(group)
      // What is mounted may be a part of the hierarchy only, and the own group outside of it.
      let isBelow = inside.removePrefix(FilePath(root)) && !group.contains("..")
      var directory = point
      switch place {
      case .mount: return point
      case .own: return isBelow ? point.appending(inside.components) : point
      case .usable: break
      }
      if mayUse(directory) { return directory }
      guard isBelow else { return nil }
      for component in inside.components {
        directory.append(component)
        if mayUse(directory) { return directory }
      }
      return nil
    }

    /// mountinfo writes spaces and the like as three octal digits.
    private static func unescaped(_ text: Substring) -> String {
      var bytes: [UInt8] = []
      var rest = Array(text.utf8)[...]
      while let byte = rest.popFirst() {
        if byte == UInt8(ascii: "\\"), rest.count >= 3,
          let code = UInt8(String(decoding: rest.prefix(3), as: UTF8.self), radix: 8)
        {
          bytes.append(code)
          rest = rest.dropFirst(3)
        } else {
          bytes.append(byte)
        }
      }
      return String(decoding: bytes, as: UTF8.self)
    }
  }
}
