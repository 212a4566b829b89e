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
  ///   - openStdin: standard input is the session's pipe; otherwise /dev/null. Of no meaning in a plan that opens a terminal.
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
      let streams = try ExecStreams(openStdin: openStdin, terminal: plan.opensTerminal)
      if target.named.namespaces.contains(.user) { streams.give(toRootOf: target.named.pid) }
      let shim = try await launcher.launch(bytes, streams: streams, target: target.process)
      try reapLater(shim.process)
      do {
        try await DescriptorWatcher.shared.readable(shim.status.descriptor)
      } catch {
        // The kernel kills the command with its shim. Nothing runs any more when this is answered.
        try? shim.process.signal(SIGKILL)
        try? await Task { try await DescriptorWatcher.shared.readable(shim.process.descriptor) }.value
        throw error
      }
      guard let report = try shim.status.receive() else { throw failure.lost() }
      guard report.kind == CLINUX_REPORT_STARTED.rawValue else { throw failure.error(report) }
      return try ExecSession(id: id, pid: report.pid, streams: streams, status: shim.status) { [self] in
        isFrozen(id)
      }
    } catch {
      if Task.isCancelled { throw .cancelled("executing in container \(id)") }
      throw EngineError(failure.purpose, wrapping: error, subject: id)
    }
  }
}
