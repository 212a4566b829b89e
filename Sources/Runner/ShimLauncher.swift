import CLinux
internal import EngineErrors
import Glibc
import LinuxSystem
import Synchronization
internal import SystemPackage

/// A shim process of this service, to be reaped by it, and the socket it reports on.
struct LaunchedShim: Sendable {
  let process: ProcessDescriptor
  let status: StatusChannel
}

/// Makes shims, as copies of a template that is started when the first one is needed, on a thread of its own.
final class ShimLauncher: Sendable {
  private let program: ShimProgram
  let thread: QueueThread
  private let template: Mutex<ShimTemplate?> = Mutex(nil)

  init(program: ShimProgram) {
    self.program = program
    thread = QueueThread("shim-launcher")
  }

  /// Starts a shim for a container.
  ///
  /// - Parameter prepare: what has to be there first; on the launcher's thread, and may block.
  func launch(_ request: [UInt8], after prepare: @escaping @Sendable () throws -> Void = {}) async throws
    -> LaunchedShim
  {
    try await thread.run { [self] in
      try prepare()
      return try launch(request, [])
    }
  }

  /// Starts a shim for an exec session, with the session's streams and the container's first process.
  func launch(
    _ request: [UInt8], streams: ExecStreams, target: ProcessDescriptor
  ) async throws -> LaunchedShim {
    try await thread.run { [self] in
      defer { streams.closeTheirs() }
      return try launch(request, [target.descriptor] + streams.theirs)
    }
  }

  /// Starts a forwarder that ends with a container's shim, and gives it the ports. It has them when this returns.
  func launchForwarder(
    _ request: [UInt8], shim: ProcessDescriptor, network: FileDescriptor, _ ports: [ReservedPort]
  ) async throws -> ProcessDescriptor {
    return try await thread.run { [self] in
      let launched = try launch(request, [shim.descriptor, network])
      do {
        let channel = ForwarderChannel(launched.status)
        for port in ports { try channel.add(port) }
        return launched.process
      } catch {
        try? launched.process.signal(SIGKILL)
        _ = try? launched.process.reap()
        throw error
      }
    }
  }

  /// Starts the keeper of an ordinary user's network.
  func launchKeeper(
    _ request: [UInt8], network: FileDescriptor, output: FileDescriptor
  ) async throws -> LaunchedShim {
    try await thread.run { [self] in try launch(request, [output, network]) }
  }

  /// Runs `body`, which launches, on the thread; does not wait.
  func later(_ body: @escaping @Sendable (ShimLauncher) -> Void) {
    try? thread.add { [self] in body(self) }
  }

  /// Runs on the thread.
  func launch(_ request: [UInt8], _ more: [FileDescriptor] = []) throws -> LaunchedShim {
    let memory = try ShimRequest.memory(request)
    defer { try? memory.close() }
    let status = try StatusChannel()
    let pid = try status.givingShimEnd { end in try fork([memory, end] + more) }
    // Not reaped by anyone yet, so the number is still this child's.
    do {
      return LaunchedShim(process: try ProcessDescriptor(pid: pid), status: status)
    } catch {
      kill(pid, SIGKILL)
      waitpid(pid, nil, 0)
      throw error
    }
  }

  private func fork(_ descriptors: [FileDescriptor]) throws -> CInt {
    if let pid = try template.withLock({ $0 })?.fork(descriptors) { return pid }
    let fresh = try ShimTemplate(program: program.executable())
    template.withLock { $0 = fresh }
    guard let pid = try fresh.fork(descriptors) else {
      throw EngineError(.internal, "the template of the shims ended unexpectedly")
    }
    return pid
  }
}
