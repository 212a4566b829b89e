import Foundation
import SystemPackage
import TestSupport

/// Another machine by ssh, which is this one: OpenSSH's server for one connection at a time, with keys and configurations of its own.
///
/// The client starts the server as its way to it (`ProxyCommand`, `sshd -i`), so that no port is taken and nothing has to be ended:
/// all else, from the keys to the shell that the command is given to, is as with a machine far away.
struct SSHHost {
  /// `ssh` with the configuration that knows `host`.
  let command: [String]

  /// - Parameters:
  ///   - store: the account whose session it is, and its store; `coracle` is in the PATH there.
  ///   - hasOwnProcesses: whether a session sees none of this machine's processes, as on another machine; takes root, and what the
  ///     session has started ends with it.
  init(for store: TestStore, hasOwnProcesses: Bool = false) async throws {
    let directory = store.directory.appending(hasOwnProcesses ? "ssh-elsewhere" : "ssh")
    let forced =
      hasOwnProcesses
      ? #"ForceCommand unshare --pid --fork --kill-child --mount-proc sh -c "\$SSH_ORIGINAL_COMMAND""# : ""
    let programs = try Programs.directory.get()
    // What the client's environment says does not get there.
    var variables = [
      "PATH=\(programs):/usr/sbin:/usr/bin:/sbin:/bin", "CORACLE_STORE=\(store.store)",
      "CORACLE_RUN=\(store.run)",
    ]
    if let record = ProcessInfo.processInfo.environment["CORACLE_RECORD"] {
      variables.append("CORACLE_RECORD=\(record)")
    }
    let script = """
      set -e
      mkdir "$1"; cd "$1"; shift
      for key in host user; do ssh-keygen -q -t ed25519 -N '' -C "" -f "$key"; done
      cp user.pub authorized
      echo "host $(cat host.pub)" > known
      cat > server <<END
      HostKey $PWD/host
      AuthorizedKeysFile $PWD/authorized
      PasswordAuthentication no
      PermitRootLogin prohibit-password
      StrictModes no
      UsePAM no
      PidFile none
      SetEnv $*
      \(forced)
      END
      cat > client <<END
      Host host
        User $(id -un)
        IdentityFile $PWD/user
        IdentitiesOnly yes
        UserKnownHostsFile $PWD/known
        GlobalKnownHostsFile /dev/null
        StrictHostKeyChecking yes
        BatchMode yes
        ProxyCommand /usr/sbin/sshd -i -f $PWD/server
      END
      """
    if store.account == .root {
      // As the package's unit makes it.
      try FileManager.default.createDirectory(atPath: "/run/sshd", withIntermediateDirectories: true)
    }
    let made = try await ChildProcess.run(
      store.account.launcher + ["sh", "-c", script, "sh", directory.string] + variables)
    guard made.succeeded else { throw TestFailure("cannot make a host for ssh: \(made.errorText)") }
    command = ["ssh", "-F", directory.appending("client").string]
  }

  /// As a person has it behind `--server`.
  var server: String { (command + ["host", "coracle", "serve"]).joined(separator: " ") }
}
