package import EngineErrors
import LinuxSystem
import OCIModel
import SystemPackage

/// Capabilities by their names in OCI's configuration and their numbers (capabilities(7)).
package enum Capability {
  static let names = [
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL",
    "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT",
    "CAP_SYS_NICE", "CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE",
    "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL", "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG",
    "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
  ]

  /// Docker's default set without CAP_MKNOD: with it, and without a group of the devices controller, which would cost each
  /// start ten milliseconds with v1 and a BPF program with v2, root in a container could make itself any disk of the host.
  static let defaults = [
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_NET_RAW", "CAP_SETGID",
    "CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL",
    "CAP_AUDIT_WRITE",
  ]

  /// Those of a bit mask that have a name.
  static func names(_ mask: UInt64) -> [String] {
    names.indices.filter { mask & (1 << UInt64($0)) != 0 }.map { names[$0] }
  }

  /// The bit mask of a list of names; those that are unknown are ignored, as the specification asks.
  static func mask(_ names: [String]?) -> UInt64 {
    (names ?? []).reduce(0) { mask, name in
      Self.names.firstIndex(of: name).map { mask | 1 << UInt64($0) } ?? mask
    }
  }

  /// Those that this process could give away; others are not to be had.
  static let available: UInt64 = {
    let status = (try? readSmallFile("/proc/self/status", limit: 64 << 10)) ?? ""
    func mask(_ field: String) -> UInt64 {
      let line = status.split(separator: "\n").first { $0.hasPrefix("\(field):") }
      let digits = line?.split(whereSeparator: { $0 == "\t" || $0 == " " }).last
      return digits.flatMap { UInt64($0, radix: 16) } ?? .max
    }
    return mask("CapPrm") & mask("CapBnd")
  }()

  /// The set that a container gets: as Docker has it, what is added by name stays, whatever is dropped.
  ///
  /// - Parameters:
  ///   - added: names with or without `CAP_`, or `ALL`; nil for none.
  ///   - isWithinUserNamespace: whether the container has a user namespace of its own, where it can have them all.
  /// - Throws: `invalidArgument` for a name that is none, `permissionDenied` for one that the service itself lacks.
  package static func set(
    adding added: [String]?, dropping dropped: [String]?, isWithinUserNamespace: Bool
  ) throws(EngineError) -> [String] {
    let (adds, addsAll) = try resolve(added ?? [], "addedCapabilities")
    let (drops, dropsAll) = try resolve(dropped ?? [], "droppedCapabilities")
    let possible = isWithinUserNamespace ? UInt64.max : available
    for name in adds where mask([name]) & possible == 0 {
      throw EngineError(
        .permissionDenied, "cannot give a container \(name): the service itself does not have it",
        subject: "addedCapabilities")
    }
    let base = addsAll ? names.filter { mask([$0]) & possible != 0 } : dropsAll ? [] : defaults
    let kept = dropsAll ? [] : base.filter { !drops.contains($0) }
    // With ALL added there is nothing that is added by name.
    let named = addsAll && !dropsAll ? adds.filter { !drops.contains($0) } : adds
    let chosen = Set(kept + named)
    return names.filter(chosen.contains)
  }

  private static func resolve(_ list: [String], _ subject: String) throws(EngineError) -> (
    names: [String], isAll: Bool
  ) {
    var found: [String] = []
    var isAll = false
    for text in list {
      let upper = text.uppercased()
      let name = upper.hasPrefix("CAP_") ? upper : "CAP_" + upper
      if upper == "ALL" || upper == "CAP_ALL" {
        isAll = true
      } else if names.contains(name) {
        found.append(name)
      } else {
        throw EngineError(
          .invalidArgument, "there is no capability \(text.prefix(100))", subject: subject,
          hint: NearMiss.hint(name, in: names)
            ?? "capabilities(7) lists them, such as CAP_NET_ADMIN")
      }
    }
    return (found, isAll)
  }
}

/// The sets of a process, as the kernel takes them.
struct CapabilityMasks {
  var bounding: UInt64
  var effective: UInt64
  var permitted: UInt64
  var inheritable: UInt64
  var ambient: UInt64

  /// - Parameter isWithinUserNamespace: whether the process is in a user namespace of its own, where it can have them all.
  init(_ process: RuntimeSpec.Process, isWithinUserNamespace: Bool = false) {
    let sets = process.capabilities
    let available = isWithinUserNamespace ? UInt64.max : Capability.available
    bounding = Capability.mask(sets?.bounding)
    // What the service lacks nobody can be given; the kernel would refuse all of it.
    let allowed = Capability.mask(sets?.permitted) & available
    inheritable = Capability.mask(sets?.inheritable) & available
    ambient = Capability.mask(sets?.ambient) & allowed & inheritable
    // A user other than root keeps the ambient ones only, as after an execve of an ordinary program.
    permitted = process.user.uid == 0 ? allowed : ambient
    effective = process.user.uid == 0 ? Capability.mask(sets?.effective) & allowed : ambient
  }
}
