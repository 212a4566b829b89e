import ArgumentParser
import RPCModel

/// Where a build goes, in the words of BuildKit's `--output`.
struct BuildOutputOption: ExpressibleByArgument, Sendable {
  var type: BuildOutputType
  /// Nil for standard output, or a type that goes nowhere else than to the store.
  var destination: String?
  var isDirectory = false
  /// Whether the image is sent to its registry afterwards.
  var isPushed = false

  init?(argument: String) {
    if argument == "-" {
      type = .tar
      return
    }
    guard let fields = KeyedFields(argument) else {
      (type, destination) = (.local, argument)
      return
    }
    switch fields["type"] {
    case "image": type = .image
    case "registry": (type, isPushed) = (.image, true)
    case "oci": type = .oci
    case "docker": type = .docker
    case "tar": type = .tar
    case "local": type = .local
    default: return nil
    }
    guard fields.has(only: ["type", "dest", "tar", "push"]) else { return nil }
    destination = fields["dest"].flatMap { $0 == "-" ? nil : $0 }
    isDirectory = type == .oci && fields["tar"] == "false"
    if fields["push"] == "true" { isPushed = true }
    if type == .local || isDirectory, destination == nil { return nil }
    if type == .image, destination != nil || fields["tar"] != nil { return nil }
    if type != .image, isPushed { return nil }
  }

  var goesToStandardOutput: Bool { type != .image && destination == nil }
}

/// A cache in a registry, in BuildKit's words: `ref=NAME`, `type=registry,ref=NAME,mode=max`, or the name alone.
struct BuildCacheOption: ExpressibleByArgument, Sendable {
  var reference: String
  var mode: BuildCacheMode?

  init?(argument: String) {
    guard let fields = KeyedFields(argument) else {
      reference = argument
      return
    }
    guard fields.has(only: ["type", "ref", "mode"]), fields["type"] ?? "registry" == "registry",
      let reference = fields["ref"]
    else { return nil }
    self.reference = reference
    guard let mode = fields["mode"] else { return }
    self.mode = BuildCacheMode(rawValue: mode)
    if self.mode == nil { return nil }
  }
}

/// `key=value,key=value`; nil for words of another form.
private struct KeyedFields {
  private var values: [String: String] = [:]

  init?(_ text: String) {
    guard text.contains("=") else { return nil }
    for field in text.split(separator: ",") {
      let parts = field.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      guard parts.count == 2 else { return nil }
      values[parts[0]] = parts[1]
    }
  }

  subscript(key: String) -> String? { values[key] }

  func has(only keys: Set<String>) -> Bool { Set(values.keys).isSubset(of: keys) }
}

extension REPLSession {
  /// Gives the person a shell in a container that a build has kept, where there is a terminal for it; says how to get one
  /// otherwise.
  func look(into container: String) async throws {
    let kept = try await request(ContainerInspect.self, .init(container: container))
    let name = kept.container.name
    guard terminal.isInputTerminal, terminal.isErrorTerminal, !terminal.isJSON else {
      return terminal.note(
        "kept as \(name) until the end of the session: `diff \(name)` tells what it has changed, and `start` and `exec` look into it"
      )
    }
    terminal.note(
      terminal.notes.dim(
        "a shell in \(name), as the instruction is run; it stays until `rm -f`, or the session's end"))
    _ = try await request(ContainerStart.self, .init(container: name))
    _ = try await Exec.parse(["-it", name] + kept.container.command).run(self)
  }
}
