import EngineErrors
import Metadata
package import OCIModel
package import Runner

extension ContainerEngine {
  /// Runs one more process in a running container.
  ///
  /// - Parameters:
  ///   - environment: on top of the container's.
  ///   - workingDirectory: the container's where nil, as is `user`.
  /// - Throws: `conflict` for a container that does not run; `notFound` and `permissionDenied` for the command.
  package func exec(
    _ name: String, command: [String], environment: [String: String] = [:], workingDirectory: String? = nil,
    user: String? = nil, opensStdin: Bool
  ) async throws -> ExecSession {
    let record = try await current(name)
    try record.admit(.exec)
    let spec = try spec(record.id)
    guard var process = spec.process else {
      throw EngineError(.corrupt, "container \(record.name) has no process", subject: record.id)
    }
    process.args = command
    if let workingDirectory { process.cwd = workingDirectory }
    if let user {
      let root = try root(of: record)
      let identity = try UserDatabase(layers: [root.upper] + root.lowers).resolve(user)
      process.user = .init(uid: identity.uid, gid: identity.gid, additionalGids: identity.groups)
      process.env = (process.env ?? []).settingVariables(["HOME": identity.home])
    }
    process.env = (process.env ?? []).settingVariables(environment)
    let plan = try LaunchPlan.compileExec(process, seccomp: spec.linux?.seccomp)
    return try await runner.exec(record.id, plan, openStdin: opensStdin)
  }
}
