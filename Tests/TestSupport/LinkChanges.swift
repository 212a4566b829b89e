import Glibc
import LinuxSystem
package import SystemPackage

/// What the kernel tells of changes of a network namespace's interfaces (rtnetlink(7)). Who opens it, then looks, and waits for
/// the next one before looking again, misses none.
package final class LinkChanges: Sendable {
  private let socket: FileDescriptor

  /// - Parameter namespace: the path of one.
  package init(in namespace: FilePath) async throws {
    socket = try await onBlockingThread("link-changes") {
      let place = try NetworkNamespace.open(namespace)
      defer { try? place.close() }
      try NetworkNamespace.enter(place)
      let kind = CInt(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
      // NETLINK_ROUTE
      let socket = FileDescriptor(rawValue: try call("socket") { Glibc.socket(AF_NETLINK, kind, 0) })
      // struct sockaddr_nl, with the group RTMGRP_LINK.
      let address = [UInt32(AF_NETLINK), 0, 1]
      do {
        try call("bind", on: "netlink") {
          address.withUnsafeBytes {
            bind(
              socket.rawValue, $0.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
          }
        }
      } catch {
        try? socket.close()
        throw error
      }
      return socket
    }
  }

  deinit { try? socket.close() }

  /// Waits until there was one since the last call.
  package func next() async throws {
    try await DescriptorWatcher.shared.readable(socket)
    var bytes = [UInt8](repeating: 0, count: 65536)
    while recv(socket.rawValue, &bytes, bytes.count, 0) > 0 {}
  }
}
