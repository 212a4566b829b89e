import LinuxSystem
import SystemPackage

/// The file of a container's run directory that says where its control group is, for every service and for the shim: it is
/// there before the group and goes after it, so that no group is ever lost.
///
/// A line each: `v1` or `v2`, the controllers, the directory. `base` is the processor time of before.
enum GroupFile {
  static let name: FilePath.Component = "groups"

  static func text(_ group: ControlGroup) -> String {
    let version = group.isUnified ? "v2" : "v1"
    let parts = group.parts.map { part in
      let names = part.controllers.map(\.rawValue).joined(separator: ",")
      return "\(version) \(names.isEmpty ? "-" : names) \(part.directory)\n"
    }
    return parts.joined() + (group.earlierCPUTime.map { "base \($0)\n" } ?? "")
  }

  static func group(_ text: String) -> ControlGroup? {
    var group = ControlGroup(isUnified: false, parts: [])
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ", maxSplits: 2)
      if words.count == 2, words[0] == "base" { group.earlierCPUTime = UInt64(words[1]) }
      guard words.count == 3 else { continue }
      group.isUnified = words[0] == "v2"
      group.parts.append(
        .init(
          controllers: words[1].split(separator: ",").compactMap { .init(rawValue: String($0)) },
          directory: FilePath(String(words[2]))))
    }
    return group.parts.isEmpty ? nil : group
  }

  static func read(_ runDirectory: FilePath) -> ControlGroup? {
    (try? readSmallFile(runDirectory.appending(name), limit: 64 << 10)).flatMap(group)
  }

  static func write(_ group: ControlGroup, _ runDirectory: FilePath) throws {
    try replaceFile(runDirectory.appending(name), Array(text(group).utf8), mode: 0o600)
  }
}
