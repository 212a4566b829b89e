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

/// Spawns shims on a thread of its own, and keeps one waiting for its request once one was needed.
///
/// To execute even a small program takes longer than all the shim does up to `clone3`; done beforehand, in a quiet
/// moment, it does not delay the next start. The waiting shim ends with this service.
final class ShimLauncher: Sendable {
  private let program: ShimProgram
  private let thread: QueueThread
  private let waiting: Mutex<WaitingShim?> = Mutex(nil)

  private struct WaitingShim: Sendable {
    let shim: LaunchedShim
    let request: FileDescriptor
  }

  init(program: ShimProgram) {
    self.program = program
    thread = QueueThread("shim-launcher")
  }

  deinit { dismiss() }

  /// Starts a shim with the request.
  func launch(_ request: [UInt8]) async throws -> LaunchedShim {
    defer { thread.whenQuiet { [weak self] in self?.prepare() } }
    if let shim = try useWaiting(request) { return shim }
    return try await thread.run { [self] in
      let memory = try ShimRequest.memory(request)
      defer { try? memory.close() }
      let shim = try spawn(memory)
      try shim.status.go()
      return shim
    }
  }

  /// Starts a shim for an exec session, with the session's streams and the container's first process.
  func launch(
    _ request: [UInt8], streams: ExecStreams, target: ProcessDescriptor
  ) async throws -> LaunchedShim {
    try await thread.run { [self] in
      defer { streams.closeTheirs() }
      let memory = try ShimRequest.memory(request)
      defer { try? memory.close() }
      let shim = try spawn(memory, streams: streams.theirs, target: target.descriptor)
      try shim.status.go()
      return shim
    }
  }

  /// Nil if none waits, or it has died meanwhile. Does not block.
  private func useWaiting(_ request: [UInt8]) throws -> LaunchedShim? {
    let taken = waiting.withLock { waiting in
      defer { waiting = nil }
      return waiting
    }
    guard let taken else { return nil }
    defer { try? taken.request.close() }
    if taken.shim.process.hasEnded {
      _ = try? taken.shim.process.reap()
      return nil
    }
    try taken.request.writeAll(request)
    // Who is woken through a socket runs on the waker's processor, as soon as that waits: this thread, which does so at
    // once, and not the caller, which goes on.
    try thread.post { try? taken.shim.status.go() }
    return taken.shim
  }

  /// Without one the next start is slower, so a failure is of no consequence.
  private func prepare() {
    guard waiting.withLock({ $0 == nil }), let memory = try? ShimRequest.memory([]) else { return }
    guard let shim = try? spawn(memory) else {
      try? memory.close()
      return
    }
    waiting.withLock { $0 = WaitingShim(shim: shim, request: memory) }
  }

  private func dismiss() {
    guard let last = waiting.withLock({ $0 }) else { return }
    try? last.request.close()
    last.shim.status.interrupt()
    _ = try? last.shim.process.reap()
  }

  private func spawn(
    _ request: FileDescriptor, streams: [FileDescriptor] = [], target: FileDescriptor? = nil
  ) throws -> LaunchedShim {
    let path = try program.executable()
    let null = try FileDescriptor.open("/dev/null", .readWrite, options: .closeOnExec)
    defer { try? null.close() }
    let standard = streams.isEmpty ? [null, null, null] : streams
    let status = try StatusChannel()
    let pid = try status.givingShimEnd { end in
      try LinuxSystem.spawn(
        path, arguments: ["coracle-shim"], environment: [],
        descriptors: standard + [request, end] + (target.map { [$0] } ?? []))
    }
    // Not reaped by anyone yet, so the number is still this child's.
    return LaunchedShim(process: try ProcessDescriptor(pid: pid), status: status)
  }
}
