internal import CLinux
package import SystemPackage

/// Network namespaces (network_namespaces(7)). A thread is in one of its own choice; what it opens there stays there.
package enum NetworkNamespace {
  private static let kind: UInt64 = 0x4000_0000

  /// That of the calling thread; the caller closes it.
  package static func current() throws(SystemError) -> FileDescriptor { try open("/proc/thread-self/ns/net") }

  /// That a path names, as /proc/PID/ns/net does; the caller closes it.
  package static func open(_ path: FilePath) throws(SystemError) -> FileDescriptor {
    do { return try FileDescriptor.open(path, .readOnly, options: .closeOnExec) } catch {
      throw SystemError("open", error as? Errno ?? .ioError, on: path.string)
    }
  }

  /// Moves the calling thread there (setns(2)).
  package static func enter(_ namespace: FileDescriptor) throws(SystemError) {
    try call("setns", on: "network") { clinux_setns(namespace.rawValue, kind) }
  }

  /// Moves the calling thread into a new one (unshare(2)), which stays for as long as somebody is in it or has it open.
  package static func enterNew() throws(SystemError) {
    try call("unshare", on: "network") { clinux_unshare(kind) }
  }
}
