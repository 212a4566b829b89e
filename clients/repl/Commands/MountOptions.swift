import ArgumentParser
import Foundation
import RPCModel

/// What `run` and `create` say of mounts.
struct MountOptions: ParsableArguments, Sendable {
  @Option(
    name: [.customShort("v"), .long],
    help: "A directory or file of the host's, SOURCE:TARGET[:ro,rslave,…]; a missing source is made.")
  var volume: [String] = []
  @Option(help: "An empty file system in memory, TARGET[:size=64m,mode=1777,exec,…].") var tmpfs: [String] =
    []
  @Option(
    help:
      "type=bind,source=…,target=…[,readonly,bind-propagation=…,bind-nonrecursive,idmap], or type=tmpfs,target=…[,tmpfs-size=…,tmpfs-mode=…]."
  ) var mount: [String] = []

  /// Those of --volume first, then those of --tmpfs and of --mount.
  var wire: [Mount] {
    get throws { try volume.map(Self.volume) + tmpfs.map(Self.tmpfs) + mount.map(Self.mount) }
  }

  private static func volume(_ text: String) throws -> Mount {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    guard (2...3).contains(parts.count), !parts[0].isEmpty else {
      throw invalidOption("--volume is SOURCE:TARGET[:options], not \(text)")
    }
    guard parts[0].hasPrefix("/") || parts[0].hasPrefix(".") || parts[0].hasPrefix("~") else {
      throw invalidOption(
        "there are no named volumes yet: \(parts[0])", hint: "for a directory, write ./\(parts[0])")
    }
    var mount = Mount(kind: .bind, target: parts[1], source: absolutePath(parts[0]), createsSource: true)
    var rest: [String] = []
    for option in parts.count > 2 ? parts[2].split(separator: ",").map(String.init) : [] {
      switch option {
      case "ro": mount.readOnly = true
      case "rw", "z", "Z": break
      case "idmap": mount.idmapped = true
      case "bind": mount.recursive = false
      case "rbind": mount.recursive = true
      default:
        let name = option.hasPrefix("r") ? String(option.dropFirst()) : option
        if let kind = MountPropagation(rawValue: name) {
          mount.propagation = kind
        } else {
          rest.append(option)
        }
      }
    }
    if !rest.isEmpty { mount.options = rest }
    return mount
  }

  private static func tmpfs(_ text: String) throws -> Mount {
    let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
    guard let target = parts.first else { throw invalidOption("--tmpfs is TARGET[:options]") }
    var mount = Mount(kind: .tmpfs, target: target)
    var rest: [String] = []
    for option in parts.count > 1 ? parts[1].split(separator: ",").map(String.init) : [] {
      switch option {
      case "ro": mount.readOnly = true
      case "rw": break
      default: rest.append(option)
      }
    }
    if !rest.isEmpty { mount.options = rest }
    return mount
  }

  private static func mount(_ text: String) throws -> Mount {
    var fields: [String: String] = [:]
    for field in text.split(separator: ",") {
      let parts = field.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      fields[names[parts[0]] ?? parts[0]] = parts.count > 1 ? parts[1] : "true"
    }
    guard let kind = MountKind(rawValue: fields["type"] ?? "bind"), let target = fields["target"] else {
      throw invalidOption("--mount needs type=bind or type=tmpfs, and a target: \(text)")
    }
    func isSet(_ name: String) -> Bool { ["true", "1"].contains(fields[name]) }
    var mount = Mount(kind: kind, target: target, source: fields["source"].map(absolutePath))
    if isSet("readonly") { mount.readOnly = true }
    if isSet("bind-nonrecursive") { mount.recursive = false }
    if isSet("idmap") { mount.idmapped = true }
    if let name = fields["bind-propagation"] {
      guard let value = MountPropagation(rawValue: name.hasPrefix("r") ? String(name.dropFirst()) : name)
      else {
        throw invalidOption("bind-propagation is private, slave or shared, not \(name)")
      }
      mount.propagation = value
    }
    if let mode = fields["tmpfs-mode"] {
      guard let number = Int(mode, radix: 8) else { throw invalidOption("not a mode: \(mode)") }
      mount.mode = number
    }
    if let size = fields["tmpfs-size"] { mount.options = ["size=\(size)"] }
    let known: Set<String> = [
      "type", "target", "source", "readonly", "bind-nonrecursive", "idmap", "bind-propagation", "tmpfs-mode",
      "tmpfs-size",
    ]
    if let unknown = fields.keys.filter({ !known.contains($0) }).min() {
      throw invalidOption("--mount does not know \(unknown)")
    }
    return mount
  }

  private static let names = ["src": "source", "dst": "target", "destination": "target", "ro": "readonly"]
}
