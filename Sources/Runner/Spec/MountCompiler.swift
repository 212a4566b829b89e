import EngineErrors
import OCIModel
import SystemPackage

/// A mount of OCI's configuration to an operation: its options are attributes of every mount, or the file system's own.
enum MountCompiler {
  static func operation(_ mount: RuntimeSpec.Mount) throws(EngineError) -> LaunchPlan.Operation {
    guard mount.destination.hasPrefix("/") else {
      throw EngineError(
        .invalidArgument, "a mount's destination is not absolute: \(mount.destination)", subject: "mounts")
    }
    var attributes: LaunchPlan.MountAttributes = []
    var own: [LaunchPlan.MountOption] = []
    var isBind = mount.type == "bind"
    var isRecursive = false
    for option in mount.options ?? [] {
      switch option {
      case "ro": attributes.insert(.readOnly)
      case "rw", "suid", "dev", "exec", "atime", "relatime", "defaults": break
      case "nosuid": attributes.insert(.noSetUserID)
      case "nodev": attributes.insert(.noDevices)
      case "noexec": attributes.insert(.noExecute)
      case "noatime": attributes.insert(.noAccessTimes)
      case "strictatime": attributes.insert(.strictAccessTimes)
      case "bind": isBind = true
      case "rbind":
        isBind = true
        isRecursive = true
      // Nothing of the container's is shared with anyone.
      case "private", "rprivate", "slave", "rslave": break
      case "shared", "rshared", "unbindable", "runbindable":
        throw EngineError(.unsupported, "mount propagation \(option) is not supported yet", subject: "mounts")
      default:
        let parts = option.split(separator: "=", maxSplits: 1).map(String.init)
        own.append(LaunchPlan.MountOption(parts[0], parts.count > 1 ? parts[1] : nil))
      }
    }
    if isBind {
      guard let source = mount.source, source.hasPrefix("/") else {
        throw EngineError(
          .invalidArgument, "a bind mount's source is not absolute: \(mount.source ?? "")", subject: "mounts")
      }
      return .bind(
        source: FilePath(source), target: mount.destination, recursive: isRecursive, attributes: attributes)
    }
    guard let type = mount.type, !type.isEmpty else {
      throw EngineError(.invalidArgument, "the mount at \(mount.destination) has no type", subject: "mounts")
    }
    return .mount(
      type: type, source: mount.source ?? type, target: mount.destination, attributes: attributes,
      options: own)
  }
}
