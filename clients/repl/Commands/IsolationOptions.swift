import ArgumentParser
import Foundation
import RPCModel

/// What `run` and `create` say of what a container may do, and of whom it shares something with.
struct IsolationOptions: ParsableArguments, Sendable {
  @Option(help: "A capability besides the usual ones, as NET_ADMIN, or ALL.") var capAdd: [String] = []
  @Option(help: "A capability that it is not to have, or ALL.") var capDrop: [String] = []
  @Option(help: "seccomp=unconfined, seccomp=FILE with a profile, or no-new-privileges.")
  var securityOpt: [String] = []
  @Flag(help: "All capabilities and devices, no system call filter, and nothing masked.") var privileged =
    false
  @Option(help: "A kernel parameter of its own namespaces, NAME=value.") var sysctl: [String] = []
  @Option(help: "A device of the host's, PATH[:PATH-IN-IT[:rwm]].") var device: [String] = []
  @Option(help: "A group that its process is in besides its user's.") var groupAdd: [String] = []
  @Option(help: "Whose processes it sees: private, host or container:NAME.") var pid: String?
  @Option(help: "Whose shared memory it has: private, host or container:NAME.") var ipc: String?
  @Option(help: "Whose host name it has: private, host or container:NAME.") var uts: String?
  @Option(help: "Whose cgroups it sees: private, host or container:NAME.") var cgroupns: String?
  @Option(help: "Whose user ids it has: host, or auto for its own.") var userns: String?
  @OptionGroup var mounts: MountOptions

  func apply(to creation: inout ContainerCreation) throws {
    func some<Value: Collection>(_ value: Value) -> Value? { value.isEmpty ? nil : value }
    creation.addedCapabilities = some(capAdd)
    creation.droppedCapabilities = some(capDrop)
    if privileged { creation.privileged = true }
    creation.sysctls = sysctl.isEmpty ? nil : try assignments(sysctl)
    creation.devices = some(device.map(DeviceAccess.init(words:)))
    creation.addedGroups = some(groupAdd)
    creation.pidNamespace = try pid.map { try NamespaceChoice(words: $0, of: "--pid") }
    creation.ipcNamespace = try ipc.map { try NamespaceChoice(words: $0, of: "--ipc") }
    creation.utsNamespace = try uts.map { try NamespaceChoice(words: $0, of: "--uts") }
    creation.cgroupNamespace = try cgroupns.map { try NamespaceChoice(words: $0, of: "--cgroupns") }
    creation.userNamespace = try userns.map { name in
      switch name {
      case "host": return .host
      case "auto": return .auto
      default: throw invalidOption("--userns is host or auto, not \(name)")
      }
    }
    creation.mounts = some(try mounts.wire)
    for option in securityOpt { try apply(securityOption: option, to: &creation) }
  }

  private func apply(securityOption option: String, to creation: inout ContainerCreation) throws {
    // As docker has it, also with a colon and with a value.
    let parts = option.split(maxSplits: 1) { $0 == "=" || $0 == ":" }.map(String.init)
    switch (parts.first, parts.count > 1 ? parts[1] : nil) {
    case ("no-new-privileges", nil), ("no-new-privileges", "true"): creation.noNewPrivileges = true
    case ("no-new-privileges", "false"): creation.noNewPrivileges = false
    case ("seccomp", "unconfined"): creation.seccomp = .init(mode: .unconfined)
    case ("seccomp", let file?):
      guard let text = try? String(contentsOfFile: absolutePath(file), encoding: .utf8) else {
        throw invalidOption("cannot read the seccomp profile \(file)")
      }
      creation.seccomp = .init(mode: .custom, profile: text)
    default:
      throw invalidOption("--security-opt is seccomp=… or no-new-privileges, not \(option)")
    }
  }
}

extension NamespaceChoice {
  init(words text: String, of option: String) throws {
    switch text {
    case "private": self.init(mode: .private)
    case "host": self.init(mode: .host)
    default:
      guard let name = containerName(text) else {
        throw invalidOption("\(option) is private, host or container:NAME, not \(text)")
      }
      self.init(mode: .container, container: name)
    }
  }
}

/// What follows `container:`.
func containerName(_ text: String) -> String? {
  guard text.hasPrefix("container:"), text.count > "container:".count else { return nil }
  return String(text.dropFirst("container:".count))
}

extension DeviceAccess {
  init(words text: String) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    // In `PATH:rwm` the second word is no path.
    let second = parts.count > 1 ? parts[1] : nil
    let isPath = second?.hasPrefix("/") ?? false
    self.init(
      path: parts[0], target: isPath ? second : nil,
      access: parts.count > 2 ? parts[2] : isPath ? nil : second)
  }
}

func invalidOption(_ message: String, hint: String? = nil) -> RPCError {
  RPCError(.invalidArgument, message, hint: hint)
}
