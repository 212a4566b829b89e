import Foundation
import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing

@Suite("podman with --runtime", .requires(.root))
struct PodmanTests {
  /// What is printed must be the same with every runtime.
  private static let steps = #"""
    p run --rm bb:1 echo hello
    p run -d --name one bb:1 sh -c 'echo out; echo err >&2; trap "exit 3" TERM; while :; do sleep 0.1; done' > /dev/null
    p exec one sh -c 'cat /proc/1/comm; id -u; exit 5'; echo "exec: $?"
    echo input | p exec -i one cat
    p exec --user 7:8 --workdir /tmp --env A=b one sh -c 'id -u; id -g; echo $A $PWD'
    p exec one nope 2> errors; echo "exec nope: $?"; grep -o 'executable file not found' errors
    p ps --format '{{.Names}} {{.Status}}' | grep -o 'one Up'
    p stop -t 100 one
    p ps -a --format '{{.Names}} {{.ExitCode}}'
    p logs one
    p start one
    p kill -s KILL one
    p wait one
    p rm one > /dev/null; echo "rm: $?"
    p run --rm bb:1 nope 2> errors; echo "nope: $?"; grep -o 'executable file not found' errors
    p run --rm bb:1 /etc 2> errors; echo "directory: $?"
    p run --rm bb:1 sh -c 'exit 9'; echo "status: $?"
    p run --rm --read-only --tmpfs /scratch -v $PWD/shared:/shared:ro -u 5:6 -w /tmp --hostname name bb:1 sh -c '
      id -u; id -g; cat /etc/hostname; pwd; cat /shared/file
      touch /x 2> /dev/null || echo read-only; touch /shared/x 2> /dev/null || echo read-only
      touch /scratch/x && echo writable'
    p run --rm --cap-drop all --security-opt no-new-privileges bb:1 grep -E 'Cap(Prm|Eff|Bnd|Amb)|NoNew|Seccomp:' /proc/self/status
    p run --rm -t bb:1 sh -c 'tty; test -t 0 && test -t 1 && echo terminal' | tr -d '\r'
    """#

  /// What an ordinary user has with v2 alone.
  private static let limits = #"""
    p run -d --name two --memory 64m --pids-limit 50 --cpus 0.5 bb:1 sleep 1000 > /dev/null
    limits() {
      for file in memory/memory.limit_in_bytes pids/pids.max cpu/cpu.cfs_quota_us memory.max pids.max cpu.max; do
        p exec two cat /sys/fs/cgroup/$file 2> /dev/null
      done
    }
    limits
    p pause two > /dev/null; p inspect -f '{{.State.Status}}' two
    p exec two true 2> /dev/null || echo "paused"
    p unpause two > /dev/null; p exec two echo awake
    p update --memory 128m --cpus 0.7 two > /dev/null; echo "update: $?"
    limits
    p stats --no-stream --format '{{.PIDs}} {{.MemUsage}}' two | sed 's, .*/,,'
    p run --rm --memory 16m --memory-swap 16m bb:1 tail /dev/zero; echo "memory: $?"
    p run --rm --pids-limit 3 bb:1 sh -c '(sleep 100 & sleep 100 & sleep 100 & sleep 100 & wait) 2> /dev/null' || echo "pids"
    p kill two > /dev/null; p rm two > /dev/null; echo "rm: $?"
    """#

  private static let preparation = #"""
    cat > containers.conf <<'END'
    [containers]
    default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
    [engine]
    events_logger = "file"
    END
    printf '[storage]\ndriver = "vfs"\nrunroot = "%s/r"\ngraphroot = "%s/g"\n' "$PWD" "$PWD" > storage.conf
    export CONTAINERS_CONF=$PWD/containers.conf CONTAINERS_STORAGE_CONF=$PWD/storage.conf HOME=$PWD XDG_RUNTIME_DIR=$PWD/x
    mkdir -p x shared; echo shared > shared/file
    engine() { podman --cgroup-manager cgroupfs --tmpdir $PWD/t "$@"; }
    engine import -q rootfs.tar bb:1 > /dev/null
    runtime=$1
    p() {
      command=$1; shift
      case $command in run) set -- --network none "$@";; esac
      engine --runtime $runtime $command "$@"
    }
    """#

  private func run(_ account: Account, _ runtime: String, in bundle: Bundle) async throws -> String {
    let directory = bundle.directory.appending(
      "podman-\(account.rawValue)-\(FilePath(runtime).lastComponent?.string ?? "")")
    try FileManager.default.createDirectory(atPath: directory.string, withIntermediateDirectories: true)
    try await bundle.archiveRoot(to: directory.appending("rootfs.tar"))
    try await account.give(directory, in: bundle)
    // podman leaves a process behind that keeps an ordinary user's namespace, and would keep a pipe of the test's.
    let script = [
      "exec > output 2> messages", Self.preparation, Self.steps, account == .root ? Self.limits : "",
      "engine rm -fa > removed; engine rmi -fa > removed; if [ -e t/pause.pid ]; then kill $(cat t/pause.pid); fi",
    ].joined(separator: "\n")
    let result = try await ChildProcess.run(
      account.launcher + ["/bin/sh", "-c", script, "sh", runtime], workingDirectory: directory)
    func text(_ name: String) throws -> String {
      String(decoding: try directory.appending(name).readAll(), as: UTF8.self)
    }
    let messages = try text("messages")
    #expect(result.succeeded, "\(messages)")
    return try text("output")
  }

  @Test("Containers, exec, logs, ends and failures are as with runc", arguments: Account.available)
  func compare(account: Account) async throws {
    try await Bundle.with { bundle in
      let runtime = try Programs.directory.get().appending("coracle-runtime").string
      let ours = try await run(account, runtime, in: bundle)
      let theirs = try await run(account, "/usr/sbin/runc", in: bundle)
      #expect(ours == theirs)
      #expect(ours.hasPrefix("hello\n"))
      #expect(ours.contains("terminal\n"))
      if account == .root {
        #expect(ours.contains("\(64 << 20)\n50\n50000") && ours.contains("paused\n"))
      }
    }
  }
}

extension Account {
  /// Lets this account write to a directory of the bundle, and reach it.
  func give(_ directory: FilePath, in bundle: Bundle) async throws {
    guard self == .ordinary, Account.available.contains(.root) else { return }
    let given = try await ChildProcess.run(["chown", "-R", Account.ordinaryName, directory.string])
    #expect(given.succeeded && chmod(bundle.directory.string, 0o711) == 0)
  }
}
