import ArgumentParser
import Foundation
import RPCModel

/// What `run` and `create` say of mounts.
struct MountOptions: ParsableArguments, Sendable {
  @Option(
    name: [.customShort("v"), .long],
    help:
      "A volume, NAME:TARGET[:ro,nocopy], which is made where there is none; a new one without a name, TARGET; or a directory or file of the host's, PATH:TARGET[:ro,rslave,idmap,…], which is made where it is missing."
  )
  var volume: [String] = []
  @Option(help: "An empty file system in memory, TARGET[:size=64m,mode=1777,exec,…].") var tmpfs: [String] =
    []
  @Option(
    help:
      "type=volume,source=…,target=…[,readonly,volume-nocopy,volume-subpath=…,volume-label=…], type=bind,source=…,target=…[,readonly,subpath=…,bind-propagation=…,bind-nonrecursive,idmap], or type=tmpfs,target=…[,tmpfs-size=…,tmpfs-mode=…]."
  ) var mount: [String] = []

  /// Those of --volume first, then those of --tmpfs and of --mount.
  var wire: [Mount] {
    get throws { try volume.map(Self.volume) + tmpfs.map(Self.tmpfs) + mount.map(MountWords.mount) }
  }

  private static func volume(_ text: String) throws -> Mount {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    if parts.count == 1, text.hasPrefix("/") { return Mount(kind: .volume, target: text) }
    guard (2...3).contains(parts.count), !parts[0].isEmpty else {
      throw invalidOption(
        "--volume is NAME:TARGET[:options], PATH:TARGET[:options] or TARGET, not \(text)",
        hint: parts.count == 1 ? "write \(text):/where/in/the/container" : nil)
    }
    let isPath = ["/", ".", "~"].contains { parts[0].hasPrefix($0) }
    if !isPath, parts[0].contains("/") {
      throw invalidOption(
        "\(parts[0]) is no name of a volume", hint: "for a directory, write ./\(parts[0])")
    }
    guard parts[1].hasPrefix("/") else {
      throw invalidOption(
        "--volume \(text): the target \(parts[1]) is not absolute", hint: "write /\(parts[1])")
    }
    var mount =
      isPath
      ? Mount(kind: .bind, target: parts[1], source: absolutePath(parts[0]), createsSource: true)
      : Mount(kind: .volume, target: parts[1], source: parts[0])
    for option in parts.count > 2 ? parts[2].split(separator: ",").map(String.init) : [] {
      try apply(option, to: &mount)
    }
    return mount
  }

  /// Those of mount(8) that are handed on.
  private static let attributes = [
    "exec", "noexec", "suid", "nosuid", "dev", "nodev", "atime", "noatime", "diratime", "nodiratime",
    "relatime",
    "strictatime", "nosymfollow",
  ]
  private static let propagations = ["private", "slave", "shared", "rprivate", "rslave", "rshared"]

  private static func apply(_ option: String, to mount: inout Mount) throws {
    let isBind = mount.kind == .bind
    switch option {
    case "ro": mount.readOnly = true
    case "rw", "z", "Z": break
    case "nocopy" where !isBind: mount.copiesContent = false
    case "copy" where !isBind: mount.copiesContent = true
    case "idmap" where isBind: mount.idmapped = true
    case "bind" where isBind: mount.recursive = false
    case "rbind" where isBind: mount.recursive = true
    case _ where attributes.contains(option): mount.options = (mount.options ?? []) + [option]
    case _ where isBind && propagations.contains(option):
      mount.propagation = MountPropagation(
        rawValue: option.hasPrefix("r") ? String(option.dropFirst()) : option)
    default:
      let own = isBind ? ["idmap", "bind", "rbind"] + propagations : ["nocopy", "copy"]
      throw invalidOption(
        "--volume does not know the option \(option) of a \(isBind ? "directory" : "volume")",
        hint: didYouMean(option, among: ["ro", "rw"] + own + attributes)
          ?? "there are ro, \(own.joined(separator: ", ")) and mount(8)'s own")
    }
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
}

/// The words of --mount: fields with commas between them, by Docker's names.
enum MountWords {
  /// Other names of theirs.
  private static let names = [
    "src": "source", "dst": "target", "destination": "target", "ro": "readonly", "volume-subpath": "subpath",
    "bind-subpath": "subpath",
  ]
  private static let common: Set<String> = ["type", "target", "readonly"]
  private static func fields(of kind: MountKind) -> Set<String> {
    let own: Set<String> =
      switch kind {
      case .volume: ["source", "subpath", "volume-nocopy", "volume-label"]
      case .bind:
        ["source", "subpath", "bind-nonrecursive", "bind-propagation", "bind-create-source", "idmap"]
      case .tmpfs: ["tmpfs-size", "tmpfs-mode"]
      }
    return common.union(own)
  }

  static func mount(_ text: String) throws -> Mount {
    var fields: [String: String] = [:]
    var labels: [String] = []
    for field in text.split(separator: ",") {
      let parts = field.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      let name = names[parts[0]] ?? parts[0]
      if name == "volume-label", parts.count > 1 { labels.append(parts[1]) }
      fields[name] = parts.count > 1 ? parts[1] : "true"
    }
    let kind = try kind(fields)
    if let unknown = fields.keys.filter({ !Self.fields(of: kind).contains($0) }).min() {
      let known = Self.fields(of: kind).union(names.keys)
      throw invalidOption(
        "--mount does not know \(unknown) of a \(kind.rawValue)",
        hint: didYouMean(unknown, among: known)
          ?? "there are \(Self.fields(of: kind).sorted().joined(separator: ", "))")
    }
    guard let target = fields["target"] else {
      throw invalidOption("--mount needs a target: \(text)", hint: "add target=/where/in/the/container")
    }
    var mount = Mount(kind: kind, target: target)
    func isSet(_ name: String) throws -> Bool { try fields[name].map { try truth($0, of: name) } ?? false }
    mount.source = fields["source"].map { kind == .bind ? absolutePath($0) : $0 }
    mount.subpath = fields["subpath"]
    if try isSet("readonly") { mount.readOnly = true }
    if try isSet("bind-nonrecursive") { mount.recursive = false }
    if try isSet("bind-create-source") { mount.createsSource = true }
    if try isSet("idmap") { mount.idmapped = true }
    if try isSet("volume-nocopy") { mount.copiesContent = false }
    if !labels.isEmpty { mount.labels = try assignments(labels) }
    if let name = fields["bind-propagation"] {
      guard let value = MountPropagation(rawValue: name.hasPrefix("r") ? String(name.dropFirst()) : name)
      else {
        throw invalidOption(
          "bind-propagation is private, slave or shared, not \(name)",
          hint: didYouMean(name, among: ["private", "slave", "shared", "rprivate", "rslave", "rshared"]))
      }
      mount.propagation = value
    }
    if let mode = fields["tmpfs-mode"] {
      guard let number = Int(mode, radix: 8) else { throw invalidOption("not a mode: \(mode)") }
      mount.mode = number
    }
    if let size = fields["tmpfs-size"] { mount.options = ["size=\(size)"] }
    return mount
  }

  /// As Docker reads it (Go's strconv.ParseBool): what is neither is no mount that somebody may write to.
  private static func truth(_ value: String, of name: String) throws -> Bool {
    switch value {
    case "1", "t", "T", "true", "TRUE", "True": return true
    case "0", "f", "F", "false", "FALSE", "False": return false
    default:
      throw invalidOption(
        "\(name) of --mount is true or false, not '\(value)'", hint: "write \(name), or \(name)=false")
    }
  }

  /// A mount whose kind is not said is a volume, as with docker, or what its source's path shows.
  private static func kind(_ fields: [String: String]) throws -> MountKind {
    guard let name = fields["type"] else {
      let isPath = ["/", ".", "~"].contains { fields["source"]?.hasPrefix($0) ?? false }
      return isPath ? .bind : .volume
    }
    guard let kind = MountKind(rawValue: name) else {
      throw invalidOption(
        "--mount knows no type \(name)",
        hint: didYouMean(name, among: ["volume", "bind", "tmpfs"]) ?? "there are volume, bind and tmpfs")
    }
    return kind
  }
}
