internal import CLinux
internal import Glibc
package import SystemPackage

/// A conversation with the kernel in netlink's datagrams (netlink(7)), in the network namespace in which it was opened, whichever
/// namespace the thread that uses it is in. For one thread at a time.
package struct NetlinkSocket: ~Copyable, Sendable {
  package enum Subsystem: CInt, Sendable {
    /// NETLINK_ROUTE and NETLINK_NETFILTER.
    case route = 0
    case netfilter = 12
  }

  private let descriptor: OwnedDescriptor

  /// In the calling thread's network namespace.
  package init(_ subsystem: Subsystem) throws(SystemError) {
    let handle = try call("socket", on: "netlink") { clinux_netlink_socket(subsystem.rawValue) }
    descriptor = OwnedDescriptor(FileDescriptor(rawValue: handle))
  }

  package func send(_ bytes: [UInt8]) throws(SystemError) {
    let handle = descriptor.descriptor.rawValue
    try call("sendto", on: "netlink") { clinux_netlink_send(handle, bytes, bytes.count) }
  }

  /// Waits for the kernel's next datagram.
  ///
  /// - Throws: `SystemError`; EMSGSIZE for one that is longer than 64 KiB, which the kernel makes none of.
  package func receive() throws(SystemError) -> [UInt8] {
    let handle = descriptor.descriptor.rawValue
    let most = 65536
    var failure: SystemError?
    let bytes = [UInt8](unsafeUninitializedCapacity: most) { buffer, count in
      do throws(SystemError) {
        guard let base = buffer.baseAddress else { return }
        let size = try call("recvfrom", on: "netlink") { clinux_netlink_receive(handle, base, most) }
        if size > most { throw SystemError("recvfrom", .messageTooLong, on: "netlink") }
        count = size
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    return bytes
  }
}
