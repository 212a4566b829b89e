import Glibc
import SystemPackage

/// A device node of the host's (stat(2)).
package struct HostDevice: Hashable, Sendable {
  package var path: String
  package var isBlock: Bool
  package var number: DeviceNumber
  /// Permission bits.
  package var permissions: UInt32
  package var owner: UInt32
  package var group: UInt32

  /// Nil where there is no device at the path; links are followed.
  package init?(_ path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    let kind = FileKind(mode: status.st_mode)
    guard kind == .characterDevice || kind == .blockDevice else { return nil }
    self.path = path
    isBlock = kind == .blockDevice
    number = DeviceNumber(status.st_rdev)
    permissions = status.st_mode & 0o7777
    owner = status.st_uid
    group = status.st_gid
  }

  /// The devices in a directory and below it, sorted by path; links in it are left out.
  ///
  /// - Parameter skipping: whether a name at the top is passed over.
  package static func all(in directory: String, skipping: (String) -> Bool = { _ in false }) -> [HostDevice] {
    guard let names = try? directoryEntries(FilePath(directory)) else { return [] }
    return names.sorted().filter { !skipping($0) }.flatMap { name -> [HostDevice] in
      let path = "\(directory)/\(name)"
      switch fileKind(FilePath(path)) {
      case .directory: return all(in: path)
      case .characterDevice, .blockDevice: return HostDevice(path).map { [$0] } ?? []
      default: return []
      }
    }
  }
}
