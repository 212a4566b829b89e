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
      try RunFiles.makeDirectory(directory)
      let shim = try await launcher.launch(bytes)
      do {
        try await DescriptorWatcher.shared.readable(shim.status.descriptor)
      } catch {
        try await onBlockingThread("start-cancel") { try abandon(id, shim) }
        throw error
      }
      guard let report = try shim.status.receive() else {
        try await onBlockingThread("start-lost") { try abandon(id, shim) }
        throw failure.lost()
      }
      guard report.kind == CLINUX_REPORT_STARTED.rawValue else {
        try await onBlockingThread("start-failed") { _ = try shim.process.reap() }
        throw failure.error(report)
      }
      ownShims.insert(shim.status, for: id)
      try reapLater(shim.process) { ownShims.remove(shim.status, for: id) }
      return StartedContainer(pid: report.pid, startedAt: report.time)
    } catch {
      if Task.isCancelled { throw .cancelled("starting container \(id)") }
      throw EngineError(failure.purpose, wrapping: error, subject: id)
    }
  }

  /// Ends a shim before it has reported, and what it may have started.
  private func abandon(_ id: String, _ shim: LaunchedShim) throws {
    try? shim.process.signal(SIGKILL)
    _ = try shim.process.reap()
    // Kills what a change of credentials has cut loose, and records a loss, which was none: nothing had started.
    _ = try state(id)
    try RunFiles.removeAll(directory(of: id))
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
