import EngineErrors
import LinuxSystem
import OCIModel
import SystemPackage

/// The host's devices that a container gets besides the usual ones.
struct ContainerDevices {
  /// To be made in it.
  var nodes: [RuntimeSpec.Device] = []
  /// To be bound from the host: outside of /dev, and where the container cannot make any.
  var binds: [RuntimeSpec.Mount] = []
  /// What may be done with them, by their numbers.
  var rules: [RuntimeSpec.DeviceRule] = []

  /// - Parameter canMake: whether nodes can be made: not so within a user namespace.
  /// - Throws: `notFound` for a path that is not there, `invalidArgument` for one that is no device.
  init(_ options: ContainerOptions, canMake: Bool) throws(EngineError) {
    var chosen: [(device: HostDevice, target: String, access: String)] = []
    if options.isPrivileged == true {
      chosen = Self.all(canMake: canMake).map { ($0, $0.path, Self.all) }
    }
    for access in options.devices ?? [] {
      chosen += try Self.resolve(access).map { ($0, $1, access.access ?? Self.all) }
    }
    let usual = Set(RuntimeSpec.defaultLinux(namespaces: []).devices?.map(\.path) ?? [])
    var seen = usual
    // What is asked for by name comes last, and wins.
    for (device, target, access) in chosen.reversed() where seen.insert(target).inserted {
      rules.append(.init(device, access))
      // A node elsewhere would be of no use: the root is mounted without devices.
      if canMake, target.hasPrefix("/dev/") {
        nodes.append(.init(device, at: target))
      } else {
        binds.append(.init(target, type: "bind", source: device.path, options: ["bind", "nosuid", "noexec"]))
      }
    }
    nodes.reverse()
    binds.reverse()
  }

  private static let all = "rwm"

  /// All of the host's, but for those that a container has of its own.
  private static func all(canMake: Bool) -> [HostDevice] {
    let own: Set<String> = ["pts", "shm", "fd", "mqueue", "console", "ptmx"]
    let devices = HostDevice.all(in: "/dev") { own.contains($0) || $0.hasPrefix(".") }
    return canMake ? devices : devices.filter { isReadable($0.path) }
  }

  private static func resolve(_ access: DeviceAccess) throws(EngineError) -> [(HostDevice, String)] {
    let target = access.target ?? access.path
    guard access.path.hasPrefix("/"), target.hasPrefix("/"), !access.path.utf8.contains(0),
      !target.utf8.contains(0)
    else {
      throw EngineError(
        .invalidArgument,
        "a device's path is not absolute: \(access.path.hasPrefix("/") ? target : access.path)",
        subject: "devices")
    }
    if let rights = access.access, rights.isEmpty || !rights.allSatisfy("rwm".contains) {
      throw EngineError(
        .invalidArgument, "not what may be done with a device: \(rights.prefix(20))", subject: "devices",
        hint: "it is made of r, w and m")
    }
    if let device = HostDevice(access.path) { return [(device, target)] }
    let path = resolvingLinks(FilePath(access.path))
    guard fileKind(path) == .directory else {
      throw fileExists(path)
        ? EngineError(.invalidArgument, "not a device: \(access.path)", subject: access.path)
        : EngineError(.notFound, "there is no device \(access.path) on this machine", subject: access.path)
    }
    let found = HostDevice.all(in: path.string)
    guard !found.isEmpty else {
      throw EngineError(
        .invalidArgument, "there is no device in the directory \(access.path)", subject: access.path)
    }
    return found.map { ($0, target + $0.path.dropFirst(path.string.utf8.count)) }
  }
}

extension DeviceAccess {
  /// Whether less than reading and writing may be done.
  var isLimited: Bool {
    guard let access, access.allSatisfy("rwm".contains) else { return false }
    return !access.contains("r") || !access.contains("w")
  }
}

extension RuntimeSpec.DeviceRule {
  fileprivate init(_ device: HostDevice, _ access: String) {
    self.init(
      allow: true, type: device.isBlock ? "b" : "c", major: Int64(device.number.major),
      minor: Int64(device.number.minor), access: access)
  }
}

extension RuntimeSpec.Device {
  fileprivate init(_ device: HostDevice, at target: String) {
    self.init(target, major: device.number.major, minor: device.number.minor)
    type = device.isBlock ? "b" : "c"
    fileMode = device.permissions
    uid = device.owner
    gid = device.group
  }
}
