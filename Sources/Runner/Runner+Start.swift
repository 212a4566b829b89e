import CLinux
package import EngineErrors
import Glibc
import LinuxSystem
package import SystemPackage

extension Runner {
  /// Starts a container and returns when its command has been executed.
  ///
  /// - Parameters:
  ///   - log: gets the container's output, appended; made if missing.
  ///   - openStdin: standard input is a pipe fed by `attachInput`; otherwise it is /dev/null.
  /// - Throws: `EngineError` that names the operation that failed; `notFound` for a missing command and
  ///   `permissionDenied` or `invalidArgument` for one that cannot be executed, and then there is an exit record with
  ///   127 or 126; `conflict` if it is running; `cancelled` when the task was cancelled, and nothing is left.
  package func start(
    _ id: String, _ plan: LaunchPlan, log: FilePath, openStdin: Bool
  ) async throws(EngineError) -> StartedContainer {
    let failure = LaunchFailure(purpose: "start container \(id)", id: id, plan: plan)
    let directory = directory(of: id)
    var request = ShimRequest(
      mode: CLINUX_MODE_CONTAINER, runDirectory: directory, log: log, plan: plan, namespaces: plan.namespaces)
    if openStdin { request.flags |= CLINUX_REQUEST_STDIN_OPEN.rawValue }
    if usesOldOverlay { request.flags |= CLINUX_REQUEST_OLD_OVERLAY.rawValue }
    let bytes = try request.encoded()
    do {
      try await settle(id)
      let status = try StatusChannel()
      return try await withTaskCancellationHandler {
        try await onBlockingThread("start") {
          try RunFiles.makeDirectory(directory)
          let child = try status.givingShimEnd { try spawnShim(bytes, $0, name: id) }
          let report = try status.receive()
          guard let report, report.kind == CLINUX_REPORT_STARTED.rawValue else {
            throw try abandon(id, child, report, failure)
          }
          ownShims.insert(status, for: id)
          try reapLater(child) { ownShims.remove(status, for: id) }
          return StartedContainer(pid: report.pid, startedAt: report.time)
        }
      } onCancel: {
        status.interrupt()
      }
    } catch {
      if Task.isCancelled { throw .cancelled("starting container \(id)") }
      throw EngineError(failure.purpose, wrapping: error, subject: id)
    }
  }

  /// The shim has failed and ends, or the start was cancelled: then it is killed, and its child with it.
  private func abandon(
    _ id: String, _ child: ProcessDescriptor, _ report: clinux_report?, _ failure: LaunchFailure
  ) throws -> EngineError {
    if let report {
      _ = try child.reap()
      return failure.error(report)
    }
    try? child.signal(SIGKILL)
    _ = try child.reap()
    // Kills what a change of credentials has cut loose, and records a loss, which was none: nothing had started.
    _ = try state(id)
    try RunFiles.removeAll(directory(of: id))
    return failure.lost()
  }

  /// Spawns a shim with the encoded request; the caller reaps it.
  func spawnShim(
    _ request: [UInt8], _ status: FileDescriptor, name: String,
    streams: [FileDescriptor] = [], target: FileDescriptor? = nil
  ) throws -> ProcessDescriptor {
    let program = try shim.executable()
    let memory = try ShimRequest.memory(request)
    defer { try? memory.close() }
    let null = try FileDescriptor.open("/dev/null", .readWrite, options: .closeOnExec)
    defer { try? null.close() }
    let standard = streams.isEmpty ? [null, null, null] : streams
    let pid = try spawn(
      program, arguments: ["coracle-shim", name], environment: [],
      descriptors: standard + [memory, status] + (target.map { [$0] } ?? []))
    // Not reaped by anyone yet, so the number is still this child's.
    return try ProcessDescriptor(pid: pid)
  }

  /// Leaves no zombie when a shim ends while this service lives; after that it is the system's init's.
  func reapLater(
    _ child: ProcessDescriptor, _ afterwards: @escaping @Sendable () -> Void = {}
  ) throws(SystemError) {
    _ = try DescriptorWatcher.shared.whenReadable(child.descriptor) { _ in
      _ = try? child.reap()
      afterwards()
    }
  }
}
