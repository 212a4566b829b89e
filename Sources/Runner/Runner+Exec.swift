import CLinux
package import EngineErrors
import Glibc
import LinuxSystem
internal import SystemPackage

extension Runner {
  /// Runs a further command in a running container: it joins all namespaces that the container has of its own.
  ///
  /// - Parameters:
  ///   - plan: operations after the mounts (limits, users, capabilities, directory, `execute`); its namespaces are not used.
  ///   - openStdin: standard input is the session's pipe; otherwise /dev/null.
  /// - Throws: as `start`; `conflict` if the container is not running.
  package func exec(
    _ id: String, _ plan: LaunchPlan, openStdin: Bool
  ) async throws(EngineError) -> ExecSession {
    let failure = LaunchFailure(purpose: "execute in container \(id)", id: id, plan: plan)
    do {
      let target = try firstProcess(id)
      let request = ShimRequest(
        mode: CLINUX_MODE_EXEC, runDirectory: directory(of: id), plan: plan,
        namespaces: target.named.namespaces)
      let bytes = try request.encoded()
      let status = try StatusChannel()
      let streams = try ExecStreams(openStdin: openStdin)
      return try await withTaskCancellationHandler {
        try await onBlockingThread("exec") {
          defer { streams.closeTheirs() }
          let child = try status.givingShimEnd {
            try spawnShim(bytes, $0, name: id, streams: streams.theirs, target: target.process.descriptor)
          }
          try reapLater(child)
          guard let report = try status.receive() else {
            try? child.signal(SIGKILL)
            throw failure.lost()
          }
          guard report.kind == CLINUX_REPORT_STARTED.rawValue else { throw failure.error(report) }
          return ExecSession(id: id, pid: report.pid, streams: streams, status: status)
        }
      } onCancel: {
        status.interrupt()
      }
    } catch {
      if Task.isCancelled { throw .cancelled("executing in container \(id)") }
      throw EngineError(failure.purpose, wrapping: error, subject: id)
    }
  }
}
