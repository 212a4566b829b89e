import Glibc
package import LinuxSystem
package import SystemPackage

/// A network namespace of a test's, which plays a host, or a machine elsewhere. It goes with the last value.
package final class TestNetwork: Sendable {
  package let descriptor: FileDescriptor

  package init() async throws {
    descriptor = try await onBlockingThread("test-network") {
      try NetworkNamespace.enterNew()
      return try NetworkNamespace.current()
    }
    try await shell("ip link set lo up")
  }

  deinit { try? descriptor.close() }

  package var path: FilePath { FilePath("/proc/\(getpid())/fd/\(descriptor.rawValue)") }

  /// In front of a command that is to run there.
  package var launcher: [String] { ["/usr/bin/nsenter", "--net=\(path)", "--"] }

  /// - Returns: what the script has written.
  @discardableResult
  package func shell(_ script: String) async throws -> String {
    let done = try await ChildProcess.run(launcher + ["/bin/sh", "-ec", script])
    guard done.succeeded else { throw TestFailure("\(script): \(done.errorText)") }
    return done.text
  }

  /// Connects two of them: this one has 192.0.2.1 and 2001:db8::1, the other one 192.0.2.2 and 2001:db8::2.
  package func connect(_ other: TestNetwork) async throws {
    // They know each other: to ask for a neighbour by IPv6 takes a second while a new link's own address is not sure yet.
    try await shell(
      """
      ip link add uplink address 02:00:00:00:00:01 type veth peer name uplink address 02:00:00:00:00:02 netns \(other.path)
      ip addr add 192.0.2.1/24 dev uplink; ip addr add 2001:db8::1/64 dev uplink nodad; ip link set uplink up
      ip neigh replace 2001:db8::2 lladdr 02:00:00:00:00:02 dev uplink
      """)
    try await other.shell(
      """
      ip addr add 192.0.2.2/24 dev uplink; ip addr add 2001:db8::2/64 dev uplink nodad; ip link set uplink up
      ip neigh replace 2001:db8::1 lladdr 02:00:00:00:00:01 dev uplink
      """)
    try await shell("ip route add default via 192.0.2.2; ip route add default via 2001:db8::2")
  }
}
