import ArgumentParser
import EngineErrors
import LinuxSystem

/// `coracle-runtime`: the OCI runtime's command line, for podman, containerd, dockerd and Kubernetes nodes.
@main
struct CoracleRuntime: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "coracle-runtime",
    abstract: "An OCI runtime: containers from bundles, for engines that bring their own images.",
    discussion: """
      Engines call it as they call runc: `podman --runtime /usr/bin/coracle-runtime run …`, `dockerd --add-runtime \
      coracle=/usr/bin/coracle-runtime`, or `BinaryName` of containerd's runc shim. A bundle is a directory with a \
      `config.json` and a root file system; `spec` writes a configuration to begin with. A container goes through `create`, \
      `start`, `kill` and `delete`; `run` is all of them.

      Global options may stand in front of the command. What this runtime does not know in a configuration is ignored, \
      as the OCI specification asks; AppArmor and SELinux labels are ignored with a warning. Control groups are made where \
      `linux.cgroupsPath` says, with the driver cgroupfs; limits that the machine has no file for are a warning.
      """,
    version: versionText,
    subcommands: [
      Create.self, Start.self, State.self, Kill.self, Delete.self, Run.self, Exec.self, Pause.self,
      Resume.self, Update.self, Events.self, Processes.self, List.self, Spec.self, Features.self,
    ])

  /// Callers look for the line with `spec`.
  static let versionText = "coracle-runtime version 0.1.0\nspec: 1.0.2"

  static func main() {
    useOrdinaryUmask()
    noticeChildren()
    let arguments = GlobalOptions.behindCommand(Array(CommandLine.arguments.dropFirst()))
    var log: RuntimeLog?
    do {
      var command = try parseAsRoot(arguments)
      log = (command as? any RuntimeCommand)?.global.openLog()
      try command.run()
    } catch let error as EngineError {
      (log ?? RuntimeLog(path: nil, format: .text, isDebug: false)).error(error)
      exitNow(1)
    } catch let code as ExitCode {
      exitNow(code.rawValue)
    } catch {
      exit(withError: error)
    }
  }
}

/// A command with the options that all have.
protocol RuntimeCommand: ParsableCommand {
  var global: GlobalOptions { get }
}
