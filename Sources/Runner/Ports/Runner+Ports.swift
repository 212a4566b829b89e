import CLinux
package import EngineErrors
import Glibc
import LinuxSystem
package import SystemPackage

/// Published ports: a forwarder, a process of its own beside the container's shim, has the host's sockets and connects in
/// the container's network.
extension Runner {
  /// Publishes ports of a container that has not started yet.
  ///
  /// - Parameter network: its network namespace, which all its starts have; it stays the caller's.
  package func publish(
    _ ports: [ReservedPort], of prepared: PreparedContainer, network: FileDescriptor
  ) async throws(EngineError) {
    guard !ports.isEmpty else { return }
    do {
      try await launchForwarder(prepared.id, of: prepared.shim.process, network, ports)
    } catch {
      throw EngineError("publish ports of container \(prepared.id)", wrapping: error, subject: prepared.id)
    }
  }

  /// Publishes ports of a running container; they go with it.
  ///
  /// - Throws: `conflict` if it does not run.
  package func publish(_ ports: [ReservedPort], of id: String) async throws(EngineError) {
    guard !ports.isEmpty else { return }
    do {
      guard let shim = try runningShim(id) else { throw notRunning("publish ports of", id) }
      if let forwarder = try await forwarder(id) {
        return try await onBlockingThread("ports") {
          var added: [ForwardedPort] = []
          do {
            for port in ports {
              try forwarder.add(port)
              added.append(port.port)
            }
          } catch {
            // All of them, or none.
            for port in added { try? forwarder.remove(port) }
            throw error
          }
        }
      }
      let network = try namespace(.network, of: id)
      try await launchForwarder(id, of: shim, network.descriptor, ports)
    } catch {
      throw EngineError("publish ports of container \(id)", wrapping: error, subject: id)
    }
  }

  /// Gives ports of a running container back. Connections that they have stay until they end.
  package func unpublish(_ ports: [ForwardedPort], of id: String) async throws(EngineError) {
    do {
      guard let forwarder = try await forwarder(id) else { return }
      try await onBlockingThread("ports") { for port in ports { try forwarder.remove(port) } }
    } catch {
      throw EngineError("unpublish ports of container \(id)", wrapping: error, subject: id)
    }
  }

  /// Whether a container's published ports are served.
  package func hasForwarder(_ id: String) -> Bool {
    guard let holder = try? LifeLock.holder(of: file(RunFiles.portsLock, of: id)) else {
      return false
    }
    return holder != .nobody
  }

  /// Ends a container's forwarder, if it has one, and returns when its ports are free. Blocks for that moment.
  package func endForwarder(_ id: String) {
    let lock = file(RunFiles.portsLock, of: id)
    guard case .process(let pid)? = try? LifeLock.holder(of: lock),
      let process = try? ProcessDescriptor(pid: pid),
      // Still the holder: so the descriptor is of that process and not of a later one with its number.
      (try? LifeLock.holder(of: lock)) == .process(pid)
    else { return }
    try? process.signal(SIGKILL)
    var entry = pollfd(fd: process.descriptor.rawValue, events: Int16(POLLIN), revents: 0)
    _ = poll(&entry, 1, 5000)
  }

  private func launchForwarder(
    _ id: String, of shim: ProcessDescriptor, _ network: FileDescriptor, _ ports: [ReservedPort]
  ) async throws {
    let request = ShimRequest(
      mode: CLINUX_MODE_FORWARDER, runDirectory: directory(of: id),
      plan: LaunchPlan(namespaces: [], operations: []), namespaces: [])
    let process = try await launcher.launchForwarder(
      try request.encoded(), shim: shim, network: network, ports)
    try reapLater(process)
  }

  /// Nil where there is none.
  private func forwarder(_ id: String) async throws -> ForwarderChannel? {
    guard hasForwarder(id) else { return nil }
    let directory = try FileDescriptor.open(
      directory(of: id), .readOnly, options: [.closeOnExec, .directory])
    defer { try? directory.close() }
    // By descriptor: a socket's address holds 107 bytes, and a run directory may be longer.
    let path = "/proc/self/fd/\(directory.rawValue)/\(RunFiles.portsSocket)"
    return ForwarderChannel(
      try call("connect", on: RunFiles.portsSocket.description) { clinux_connect(path, 5000) })
  }
}
