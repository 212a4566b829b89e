import EngineErrors
import LinuxSystem
import OCIModel
import SystemPackage

/// The id maps of a new user namespace, written from outside (user_namespaces(7)).
enum UserMaps {
  static func write(
    _ users: [RuntimeSpec.IDMapping], _ groups: [RuntimeSpec.IDMapping], of pid: Int32
  ) throws(EngineError) {
    do {
      try write(text(users), "uid_map", pid)
      try write(text(groups), "gid_map", pid)
    } catch {
      throw EngineError("map the ids of the container", wrapping: error, subject: "linux.uidMappings")
    }
  }

  private static func text(_ maps: [RuntimeSpec.IDMapping]) -> String {
    maps.map { "\($0.containerID) \($0.hostID) \($0.size)\n" }.joined()
  }

  /// The kernel takes a map in one write.
  private static func write(_ text: String, _ name: String, _ pid: Int32) throws {
    let file = try FileDescriptor.open(FilePath("/proc/\(pid)/\(name)"), .writeOnly, options: .closeOnExec)
    let bytes = Array(text.utf8)
    _ = try file.closeAfter { try bytes.withUnsafeBytes { try file.write($0) } }
  }
}
