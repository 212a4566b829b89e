import CLinux
import Glibc
package import SystemPackage

/// Owner, permissions and times, on a descriptor itself or on one entry of a directory that it names.
/// Nothing here follows a symbolic link. All throw `SystemError`.
extension FileDescriptor {
  package func status() throws(SystemError) -> FileStatus {
    var raw = Glibc.stat()
    try call("fstat") { fstat(rawValue, &raw) }
    return FileStatus(raw)
  }

  /// The status of one entry, a symbolic link's own; nil where there is none of that name.
  package func status(of name: UnsafePointer<CChar>) throws(SystemError) -> FileStatus? {
    var raw = Glibc.stat()
    do throws(SystemError) {
      try call("fstatat", on: String(cString: name)) { fstatat(rawValue, name, &raw, AT_SYMLINK_NOFOLLOW) }
    } catch {
      if error.errno == .noSuchFileOrDirectory { return nil }
      throw error
    }
    return FileStatus(raw)
  }

  package func setOwner(_ owner: UInt32, group: UInt32) throws(SystemError) {
    try call("fchown") { fchown(rawValue, owner, group) }
  }

  package func setOwner(
    of name: UnsafePointer<CChar>, _ owner: UInt32, group: UInt32
  ) throws(SystemError) {
    try call("fchownat", on: String(cString: name)) {
      fchownat(rawValue, name, owner, group, AT_SYMLINK_NOFOLLOW)
    }
  }

  package func setPermissions(_ permissions: UInt32) throws(SystemError) {
    try call("fchmod") { fchmod(rawValue, mode_t(permissions)) }
  }

  /// fchmodat(2), which knows no AT_SYMLINK_NOFOLLOW: the caller knows that `name` is no symbolic link,
  /// because it made the entry in a directory where nobody else writes.
  package func setPermissions(of name: UnsafePointer<CChar>, _ permissions: UInt32) throws(SystemError) {
    try call("fchmodat", on: String(cString: name)) { fchmodat(rawValue, name, mode_t(permissions), 0) }
  }

  /// Sets both times, of access and of modification.
  package func setTimes(_ time: FileTime) throws(SystemError) {
    try withTimes(time) { times throws(SystemError) in
      try call("futimens") { futimens(rawValue, times) }
    }
  }

  package func setTimes(of name: UnsafePointer<CChar>, _ time: FileTime) throws(SystemError) {
    try withTimes(time) { times throws(SystemError) in
      try call("utimensat", on: String(cString: name)) {
        utimensat(rawValue, name, times, AT_SYMLINK_NOFOLLOW)
      }
    }
  }

  private func withTimes(
    _ time: FileTime, _ body: (UnsafePointer<timespec>) throws(SystemError) -> Void
  ) throws(SystemError) {
    let value = timespec(tv_sec: Int(time.seconds), tv_nsec: Int(time.nanoseconds))
    var pair = (value, value)
    try withUnsafePointer(to: &pair) { pair throws(SystemError) in
      try pair.withMemoryRebound(to: timespec.self, capacity: 2, body)
    }
  }

  /// The target of the symbolic link `name`, without a NUL (readlinkat(2)); nil where `name` is no link.
  package func linkTarget(of name: UnsafePointer<CChar>) throws(SystemError) -> [UInt8]? {
    // The kernel makes no link whose target has more than 4,095 bytes (PATH_MAX).
    var buffer = [CChar](repeating: 0, count: 4096)
    let length: Int
    do throws(SystemError) {
      length = try call("readlinkat", on: String(cString: name)) {
        readlinkat(rawValue, name, &buffer, buffer.count)
      }
    } catch {
      if error.errno == .invalidArgument || error.errno == .noSuchFileOrDirectory { return nil }
      throw error
    }
    return buffer.prefix(length).map { UInt8(bitPattern: $0) }
  }
}
