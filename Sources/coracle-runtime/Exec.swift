import ArgumentParser
import EngineErrors
import LinuxSystem
import OCIModel
import OCIRuntime
import SystemPackage

struct Exec: RuntimeCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run a further command in a container.",
    discussion: "The exit status is the command's, or 128 and the number of the signal that ended it.")
  @OptionGroup var global: GlobalOptions
  @Option(name: [.short, .long], help: "A file with the process, as in a configuration.") var process: String?
  @Option(help: "A local socket that gets the terminal's master.") var consoleSocket: String?
  @Option(help: "A file that gets the number of the process.") var pidFile: String?
  @Flag(name: [.short, .long], help: "Return when it has started.") var detach = false
  @Flag(name: [.short, .long], help: "Give it a terminal.") var tty = false
  @Option(name: [.short, .long], help: "UID[:GID]") var user: String?
  @Option(name: [.customShort("g"), .long], help: "A further group; may be repeated.") var additionalGids:
    [UInt32] = []
  @Option(help: "Its working directory.") var cwd: String?
  @Option(name: [.short, .long], help: "NAME=VALUE; may be repeated.") var env: [String] = []
  @Option(name: [.short, .long], help: "A capability to add; may be repeated.") var cap: [String] = []
  @Flag(help: "Set no_new_privs.") var noNewPrivs = false
  @Option(help: "Accepted and ignored.") var apparmor: String?
  @Option(help: "Accepted and ignored.") var processLabel: String?
  @Option(help: "Accepted: the command is in the container's own cgroup.") var cgroup: String?
  @Option(help: "How many of this program's descriptors from 3 on the process gets.") var preserveFds = 0
  @Flag(help: "Also in a paused container: it begins when that one is resumed.") var ignorePaused = false
  @Argument(help: "The container's id.") var id: String
  @Argument(parsing: .captureForPassthrough, help: "The command and its arguments.") var command: [String] =
    []

  func run() throws {
    let passed = try PassedDescriptors(preserveFds, withSockets: false)
    let runtime = try global.runtime()
    let options = ProcessOptions(
      pidFile: pidFile.map { FilePath($0) }, consoleSocket: consoleSocket.map { FilePath($0) },
      preserved: passed.descriptors)
    let process = try process(runtime)
    let child = try runtime.exec(id, process, options, ignoresPause: ignorePaused)
    if detach { return }
    throw ExitCode(try runtime.follow(child))
  }

  private func process(_ runtime: OCIRuntime) throws -> RuntimeSpec.Process {
    if let file = process {
      let text = try readSmallFile(FilePath(file), limit: 16 << 20)
      return try decodeJSON(RuntimeSpec.Process.self, Array(text.utf8), of: file)
    }
    guard !command.isEmpty else {
      throw EngineError(.invalidArgument, "process args cannot be empty")
    }
    var process = try runtime.processTemplate(id)
    process.args = command
    process.terminal = tty
    process.env = (process.env ?? []) + env
    if let cwd { process.cwd = cwd }
    if noNewPrivs { process.noNewPrivileges = true }
    if !additionalGids.isEmpty {
      process.user.additionalGids = (process.user.additionalGids ?? []) + additionalGids
    }
    if let user {
      let parts = user.split(separator: ":", maxSplits: 1).map { UInt32($0) }
      guard let uid = parts.first ?? nil, !parts.contains(nil) else {
        throw EngineError(
          .invalidArgument, "not a user: \(user)", subject: user, hint: "give numbers, UID or UID:GID")
      }
      process.user.uid = uid
      if parts.count == 2, let gid = parts[1] { process.user.gid = gid }
    }
    process.capabilities?.add(cap)
    return process
  }
}

extension RuntimeSpec.Capabilities {
  /// As runc: to all sets but the ambient one.
  fileprivate mutating func add(_ names: [String]) {
    guard !names.isEmpty else { return }
    bounding = (bounding ?? []) + names
    effective = (effective ?? []) + names
    permitted = (permitted ?? []) + names
  }
}
