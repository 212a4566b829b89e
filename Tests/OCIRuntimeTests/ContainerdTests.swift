import Foundation
import SystemPackage
import TestSupport
import Testing

/// Debian's containerd with a place of its own: network and mount namespace, /run, root, state and sockets.
@Suite("containerd with --runc-binary", .requires(.root))
struct ContainerdTests {
  private static let service = #"""
    mount --make-rprivate / && mount -t tmpfs tmpfs /run && ip link set lo up || exit 1
    cat > config.toml <<END
    version = 2
    root = "$PWD/root"
    state = "$PWD/state-of-containerd"
    disabled_plugins = ["io.containerd.grpc.v1.cri"]
    [grpc]
    address = "$PWD/socket"
    [ttrpc]
    address = "$PWD/socket.ttrpc"
    END
    # One that does not heed its end is killed a minute later.
    timeout --kill-after 60 1200 containerd --config $PWD/config.toml > log 2>&1 &
    service=$!
    end() { status=$?; kill $service; wait $service; exit $status; }
    trap end EXIT
    c() { timeout 300 ctr --address $PWD/socket "$@" || { status=$?; [ $status != 124 ] || echo "ctr $*: no answer" >&2; return $status; }; }
    # Its socket is there before it answers; it ends by itself when it cannot start.
    end=$(($(date +%s) + 300))
    until timeout 20 ctr --address $PWD/socket version > /dev/null 2>&1; do
      kill -0 $service || { cat log >&2; exit 1; }
      [ $(date +%s) -lt $end ] || { echo "containerd does not answer" >&2; tail -n 50 log >&2; exit 1; }
      sleep 0.1
    done
    """#

  private static let steps = #"""
    runtime=$1
    run() { c run --runc-binary $runtime --runc-root $PWD/runtime --rootfs "$@"; }
    status() { c task ls | grep -o 'two.*' | tr -s ' ' | cut -d' ' -f1,3; }
    run --rm $PWD/rootfs one sh -c 'echo hello; exit 3'; echo "run: $?"
    run -d --cgroup $group --memory-limit 64000000 --cpu-quota 50000 --cpu-period 100000 $PWD/rootfs two sleep 1000
    echo "detached: $?"
    c task exec --exec-id e two sh -c 'cat /proc/1/comm; exit 5'; echo "exec: $?"
    cat /sys/fs/cgroup/memory/$group/memory.limit_in_bytes /sys/fs/cgroup/$group/memory.max 2> /dev/null
    status; c task pause two; status; c task resume two; status
    c task ps two | wc -l
    c task kill -s KILL two
    for look in $(seq 3000); do status | grep -q RUNNING || break; sleep 0.1; done
    status
    c task delete two; echo "delete: $?"; c container delete two; echo "removed: $?"
    ls runtime/default | wc -l
    find /sys/fs/cgroup -path "*$group*" | wc -l
    """#

  @Test("run, exec, limits, pause, kill and delete")
  func life() async throws {
    try await Bundle.with { bundle in
      let group = "/coracle-test-\(UInt32.random(in: .min ... .max))"
      let cleanUp = "find /sys/fs/cgroup -depth -type d -path '*\(group)*' -exec rmdir {} +"
      let script = [Self.service, "group=\(group)", Self.steps, cleanUp].joined(separator: "\n")
      let runtime = try Programs.directory.get().appending("coracle-runtime").string
      let result = try await ChildProcess.run(
        ["unshare", "--net", "--mount", "/bin/sh", "-c", script, "sh", runtime],
        workingDirectory: bundle.directory)
      #expect(result.succeeded, "\(result.errorText)")
      // Words of ctr's own.
      let expected = """
        hello
        run: 3
        detached: 0
        sleep
        exec: 5
        64000000
        two RUNNING
        two PAUSED
        two RUNNING
        2
        two STOPPED
        delete: 0
        removed: 0
        0
        0

        """
      #expect(result.text == expected, "\(result.errorText)")
    }
  }
}
