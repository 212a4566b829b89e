import CLinux
package import EngineErrors
import LinuxSystem
package import SystemPackage

extension Runner {
  /// Lets a process of its own, which outlives the service, keep a network namespace and run the program that connects it to
  /// the outside. Both end when nobody has had `users`, a FIFO in the directory, open for writing for a while.
  ///
  /// - Parameters:
  ///   - network: the program's standard input; it stays the caller's.
  ///   - directory: where the keeper's life lock `lock` and the FIFO are.
  ///   - program: with its arguments.
  ///   - output: the program's standard output and error; it stays the caller's.
  package func keepNetwork(
    _ network: FileDescriptor, in directory: FilePath, program: [String], output: FileDescriptor
  ) async throws(EngineError) {
    let request = ShimRequest(
      mode: CLINUX_MODE_NETWORK, runDirectory: directory,
      plan: LaunchPlan(
        namespaces: [], operations: [.execute(arguments: program, environment: ["PATH=/usr/bin:/bin"])]),
      namespaces: [])
    do {
      let keeper = try await launcher.launchKeeper(
        try request.encoded(), network: network, output: output)
      try reapLater(keeper.process)
      try await DescriptorWatcher.shared.readable(keeper.status.descriptor)
      guard let report = try keeper.status.receive() else {
        throw EngineError(.internal, "the keeper of the network ended unexpectedly")
      }
      guard report.kind == CLINUX_REPORT_STARTED.rawValue else {
        throw SystemError(String(cString: clinux_step_name(report.step)), Errno(rawValue: report.error))
      }
    } catch {
      throw EngineError("keep the user's network", wrapping: error)
    }
  }
}
