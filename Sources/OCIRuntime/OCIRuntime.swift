package import EngineErrors
import Glibc
import LinuxSystem
import OCIModel
import Runner
package import SystemPackage

/// The commands of an OCI runtime, on the containers of one root directory. Everything blocks, and the process that uses it has
/// one thread.
package struct OCIRuntime {
  package let root: StateRoot
  /// The program `coracle-shim`.
  let shim: FilePath
  /// Whether the caller demands that systemd makes control groups.
  let wantsSystemd: Bool
  /// What is ignored, or did not work but is no reason to fail.
  let warn: (String) -> Void

  package init(
    root: FilePath, shim: FilePath, wantsSystemd: Bool = false, warn: @escaping (String) -> Void
  ) {
    self.root = StateRoot(path: root)
    self.shim = shim
    self.wantsSystemd = wantsSystemd
    self.warn = warn
  }

  /// Whether this process is root of the whole machine.
  static var ownsMachine: Bool { geteuid() == 0 && UserNamespace.isInitial }

  package static let specVersion = "1.0.2"

  package func state(_ id: String) throws(EngineError) -> ContainerState {
    try root.directory(of: id).look()
  }

  /// The configuration that a container was created from.
  func configuration(_ directory: StateDirectory) throws(EngineError) -> RuntimeSpec {
    try Self.readConfiguration(directory.configuration)
  }

  static func readConfiguration(_ path: FilePath) throws(EngineError) -> RuntimeSpec {
    let text: String
    do { text = try readSmallFile(path, limit: 64 << 20) } catch {
      throw EngineError("read the configuration \(path)", wrapping: error, subject: path.string)
    }
    return try decodeJSON(RuntimeSpec.self, Array(text.utf8), of: path.string)
  }

  /// Writes a process's number where the caller looks for it, whole or not at all.
  static func write(pid: Int32, to path: FilePath?) throws(EngineError) {
    guard let path else { return }
    do { try replaceFile(path, Array("\(pid)".utf8)) } catch {
      throw EngineError("write the pid file \(path)", wrapping: error, subject: path.string)
    }
  }
}

/// What the caller of `create`, `run` and `exec` decides about a process besides its configuration.
package struct ProcessOptions {
  package var pidFile: FilePath?
  /// Gets the terminal's master, if the process has a terminal.
  package var consoleSocket: FilePath?
  /// The process's 0, 1 and 2 where it has no terminal.
  package var streams: [FileDescriptor] = [.standardInput, .standardOutput, .standardError]

  /// What it has from 3 on.
  package var preserved: [FileDescriptor]
  /// Added to its environment.
  package var environment: [String]

  package init(
    pidFile: FilePath?, consoleSocket: FilePath?, preserved: [FileDescriptor] = [], environment: [String] = []
  ) {
    self.pidFile = pidFile
    self.consoleSocket = consoleSocket
    self.preserved = preserved
    self.environment = environment
  }
}
