import ArgumentParser
import EngineErrors
import Glibc
import LinuxSystem
import OCIRuntime
import SystemPackage

/// The options that stand in front of a command, as runc and crun have them.
struct GlobalOptions: ParsableArguments {
  @Option(
    help: "Where the state of containers is (default: /run/coracle-runtime, or below $XDG_RUNTIME_DIR).")
  var root: String?

  @Option(help: "A file that messages are appended to, besides standard error.")
  var log: String?

  @Option(help: "How the log is written: text or json.")
  var logFormat = LogFormat.text

  @Flag(help: "Tell more in the log.")
  var debug = false

  @Flag(help: "Control groups are to be made by systemd: refused, there is the driver cgroupfs alone.")
  var systemdCgroup = false

  @Option(help: "cgroupfs, or systemd, which is as --systemd-cgroup.")
  var cgroupManager: String?

  @Option(help: "Accepted: whether this is an ordinary user's is found out.")
  var rootless: String?

  /// ArgumentParser takes a command's options behind its name; engines write these in front of it.
  static func behindCommand(_ arguments: [String]) -> [String] {
    let withValue: Set = [
      "--root", "--log", "--log-format", "--log-level", "--cgroup-manager", "--rootless", "--criu",
      "--generate-completion-script",
    ]
    var front: [String] = []
    var index = 0
    while index < arguments.count {
      let argument = arguments[index]
      guard argument.hasPrefix("-"), argument != "-" else { break }
      if ["--help", "-h", "--version", "-v"].contains(argument) {
        return [argument == "-v" ? "--version" : argument]
      }
      var words = [argument]
      if withValue.contains(argument), index + 1 < arguments.count { words.append(arguments[index + 1]) }
      index += words.count
      // Of no meaning here, whatever they say.
      if ["--criu", "--log-level"].contains(where: { argument == $0 || argument.hasPrefix($0 + "=") }) {
        continue
      }
      if argument == "--systemd-cgroup=true" { words = ["--systemd-cgroup"] }
      if argument == "--systemd-cgroup=false" { continue }
      front += words
    }
    guard index < arguments.count else { return arguments }
    // Which writes a file, has nothing to do with containers, and has an option of the same name as one of these.
    if arguments[index] == "spec" { front = [] }
    return [arguments[index]] + front + arguments[(index + 1)...]
  }

  func openLog() -> RuntimeLog {
    RuntimeLog(path: log.map { FilePath($0) }, format: logFormat, isDebug: debug)
  }

  func runtime() throws -> OCIRuntime {
    let log = openLog()
    return OCIRuntime(
      root: stateRoot, shim: try shim(), wantsSystemd: systemdCgroup || cgroupManager == "systemd",
      warn: log.warning)
  }

  private var stateRoot: FilePath {
    if let root { return FilePath(root) }
    // In a user namespace its root is an ordinary user, to whom /run does not belong.
    if !UserNamespace.isInitial || geteuid() != 0, let runtime = variable("XDG_RUNTIME_DIR"), !runtime.isEmpty
    {
      return FilePath(runtime).appending("coracle-runtime")
    }
    return "/run/coracle-runtime"
  }

  private func shim() throws(EngineError) -> FilePath {
    if let named = variable("CORACLE_SHIM") { return FilePath(named) }
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = readlink("/proc/self/exe", &buffer, buffer.count)
    let directory = FilePath(String(decoding: buffer.prefix(max(0, count)), as: UTF8.self))
      .removingLastComponent()
    let candidates = [
      directory.appending("coracle-shim"),
      directory.removingLastComponent().appending("libexec/coracle/coracle-shim"),
    ]
    if let found = candidates.first(where: fileExists) { return found }
    throw EngineError(
      .notFound, "cannot find the program coracle-shim", subject: "coracle-shim",
      causes: [
        "looked in \(candidates.map { $0.removingLastComponent().string }.joined(separator: " and "))"
      ],
      hint: "install it beside coracle-runtime, or name it in CORACLE_SHIM")
  }

  private func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}

enum LogFormat: String, ExpressibleByArgument {
  case text, json
}

func exitNow(_ code: Int32) -> Never { exit(code) }
