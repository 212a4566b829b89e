internal import CLinux
import Glibc
package import SystemPackage

/// Makes a local stream socket that connections come to (bind(2), listen(2), AF_UNIX), whatever the length of its path. The caller
/// closes it, and removes its name.
///
/// - Throws: `SystemError`; `fileExists` (EADDRINUSE) where something is there.
package func listenStream(
  _ path: FilePath, owner: UInt32, group: UInt32, mode: UInt32
) throws(SystemError) -> FileDescriptor {
  let (parent, name) = (path.removingLastComponent(), path.lastComponent?.string ?? "")
  let place = try call("open", on: parent.string) {
    open(parent.string, CInt(CLINUX_O_PATH) | O_DIRECTORY | O_CLOEXEC)
  }
  defer { close(place) }
  var address = sockaddr_un()
  address.sun_family = sa_family_t(AF_UNIX)
  let short = "/proc/self/fd/\(place)/\(name)"
  guard short.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else {
    throw SystemError("bind", .fileNameTooLong, on: path.string)
  }
  withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: short.utf8) }
  let handle = try call("socket") { socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | O_CLOEXEC, 0) }
  do throws(SystemError) {
    try call("bind", on: path.string) {
      withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          bind(handle, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
        }
      }
    }
    // Before anybody is let in.
    try call("fchownat", on: path.string) { fchownat(place, name, owner, group, 0) }
    try call("fchmodat", on: path.string) { fchmodat(place, name, mode, 0) }
    try call("listen", on: path.string) { listen(handle, 16) }
    return FileDescriptor(rawValue: handle)
  } catch {
    close(handle)
    throw error
  }
}

/// Waits for the next connection; the caller closes it.
package func acceptStream(_ socket: FileDescriptor) throws(SystemError) -> FileDescriptor {
  FileDescriptor(rawValue: try call("accept4") { clinux_accept(socket.rawValue) })
}
