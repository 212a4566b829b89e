import EngineErrors
import LinuxSystem
import Metadata
import OCIModel
package import Runner

/// One more process in a running container.
package struct ExecOptions: Sendable {
  package var command: [String]
  /// On top of the container's.
  package var environment: [String: String] = [:]
  /// The container's where nil, as is `user`.
  package var workingDirectory: String?
  package var user: String?
  package var opensStdin = false
  package var terminal: TerminalOptions?
  /// Whether it has all capabilities that the service has, and no seccomp filter.
  package var isPrivileged = false

  package init(command: [String]) { self.command = command }
}

extension ContainerEngine {
  /// - Throws: `conflict` for a container that does not run; `notFound` and `permissionDenied` for the command.
  package func exec(_ name: String, _ options: ExecOptions) async throws -> ExecSession {
    let record = try await current(name)
    try record.admit(.exec)
    let spec = try spec(record.id)
    guard var process = spec.process else {
      throw EngineError(.corrupt, "container \(record.name) has no process", subject: record.id)
    }
    process.args = options.command
    if let workingDirectory = options.workingDirectory { process.cwd = workingDirectory }
    if let user = options.user {
      let root = try root(of: record)
      let users = UserDatabase(layers: [root.upper] + root.lowers)
      let identity = try users.resolve(user)
      process.user = .init(identity)
      // Those that the container was given are all its processes'.
      if let added = try self.options(record).addedGroups, !added.isEmpty {
        process.user.add(try users.groups(added))
      }
      process.env = (process.env ?? []).settingVariables(["HOME": identity.home])
    }
    process.setTerminal(options.terminal)
    process.env = (process.env ?? []).settingVariables(options.environment)
    var seccomp = spec.linux?.seccomp
    if options.isPrivileged {
      process.capabilities = .service(try permittedCapabilities())
      process.noNewPrivileges = false
      seccomp = nil
    }
    let plan = try LaunchPlan.compileExec(process, seccomp: seccomp, hasUsers: spec.hasUsers)
    do { return try await runner.exec(record.id, plan, openStdin: options.opensStdin) } catch {
      throw named(error, record)
    }
  }
}

extension RuntimeSpec.Process {
  /// With a terminal, and without a TERM of its own, it is told of one that every program knows.
  mutating func setTerminal(_ options: TerminalOptions?) {
    terminal = options == nil ? nil : true
    consoleSize = options.map {
      .init(height: UInt(clamping: $0.rows), width: UInt(clamping: $0.columns))
    }
    guard options != nil, !(env ?? []).contains(where: { $0.hasPrefix("TERM=") }) else { return }
    env = (env ?? []) + ["TERM=xterm"]
  }
}
