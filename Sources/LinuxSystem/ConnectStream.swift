internal import CLinux
import Glibc
package import SystemPackage

/// Connects to a local stream socket (connect(2), AF_UNIX), whatever the length of its path. The caller closes it.
///
/// - Parameter waits: whether for somebody who has as many connections as he takes; else that is
///   `resourceTemporarilyUnavailable` (EAGAIN).
package func connectStream(_ path: FilePath, waits: Bool = true) throws(SystemError) -> FileDescriptor {
  // A socket's address holds 107 bytes, and the path of a bundle's console may be longer.
  let place = try call("open", on: path.string) { open(path.string, pathOnly | O_CLOEXEC) }
  defer { close(place) }
  let flags = O_CLOEXEC | (waits ? 0 : O_NONBLOCK)
  let handle = try call("socket") { socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | flags, 0) }
  var address = sockaddr_un()
  address.sun_family = sa_family_t(AF_UNIX)
  withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: "/proc/self/fd/\(place)".utf8) }
  do throws(SystemError) {
    try call("connect", on: path.string) {
      withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          connect(handle, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
        }
      }
    }
    if !waits { try call("fcntl") { fcntl(handle, F_SETFL, 0) } }
  } catch {
    close(handle)
    throw error
  }
  return FileDescriptor(rawValue: handle)
}

private let pathOnly = CLINUX_O_PATH
