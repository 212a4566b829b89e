import Foundation
import SystemPackage
import TestSupport
import Testing

/// Debian's dockerd with a place of its own: network and mount namespace, /run, data, socket and pid file.
@Suite("dockerd with --add-runtime", .requires(.root))
struct DockerTests {
  private static let service = #"""
    mount --make-rprivate / && mount -t tmpfs tmpfs /run && ip link set lo up || exit 1
    export DOCKER_HOST=unix:///run/docker.sock HOME=$PWD
    # One that does not heed its end is killed a minute later.
    timeout --kill-after 60 1200 dockerd --data-root "$PWD/data" --exec-root /run/docker-exec -H $DOCKER_HOST --pidfile /run/docker.pid \
      --bridge none --iptables=false --ip6tables=false --storage-driver vfs --default-ulimit nofile=1024:1024 \
      --add-runtime "coracle=$1" > dockerd.log 2>&1 &
    service=$!
    end() { status=$?; kill $service; wait $service; exit $status; }
    trap end EXIT
    # Its socket is there before it answers; it ends by itself when it cannot start.
    end=$(($(date +%s) + 300))
    until timeout 20 docker version > /dev/null 2>&1; do
      kill -0 $service || { cat dockerd.log >&2; exit 1; }
      [ $(date +%s) -lt $end ] || { echo "dockerd does not answer" >&2; tail -n 50 dockerd.log >&2; exit 1; }
      sleep 0.1
    done
    docker import rootfs.tar bb:1 > /dev/null || exit 1
    mkdir shared; echo shared > shared/file
    """#

  private static let steps = #"""
    d() {
      command=$1; shift
      case $command in run) set -- --runtime $runtime --network none "$@";; esac
      timeout 300 docker $command "$@" || { status=$?; [ $status != 124 ] || echo "docker $command $*: no answer"; return $status; }
    }
    d run --rm bb:1 echo hello
    d run -d --name one bb:1 sh -c 'echo out; echo err >&2; trap "exit 3" TERM; while :; do sleep 0.1; done' > /dev/null
    d exec one sh -c 'cat /proc/1/comm; id -u; exit 5'; echo "exec: $?"
    echo input | d exec -i one cat
    d exec --user 7:8 --workdir /tmp --env A=b one sh -c 'id -u; id -g; echo $A $PWD'
    d exec one nope > errors 2>&1; echo "exec nope: $?"; grep -o 'executable file not found' errors
    d stop -t 100 one
    d inspect -f '{{.State.Status}} {{.State.ExitCode}}' one
    d logs one 2>&1 | sort
    d start one
    d kill one
    d wait one
    d rm one
    d run --rm bb:1 nope 2> errors; echo "nope: $?"; grep -o 'executable file not found' errors
    d run --rm bb:1 /etc 2> errors; echo "directory: $?"
    d run --rm bb:1 sh -c 'exit 9'; echo "status: $?"
    d run --rm --init bb:1 sh -c 'cat /proc/1/comm'
    d run --rm --read-only --tmpfs /scratch -v $PWD/shared:/shared:ro -u 5:6 -w /tmp --hostname name bb:1 sh -c '
      id -u; id -g; cat /etc/hostname; pwd; cat /shared/file
      touch /x 2> /dev/null || echo read-only; touch /shared/x 2> /dev/null || echo read-only
      touch /scratch/x && echo writable'
    d run --rm --cap-drop all --security-opt no-new-privileges bb:1 grep -E 'Cap(Prm|Eff|Bnd|Amb)|NoNew|Seccomp:' /proc/self/status
    d run --rm -t bb:1 sh -c 'tty; test -t 0 && test -t 1 && echo terminal' | tr -d '\r'
    d run -d --name two --memory 64m --memory-swap 128m --pids-limit 50 --cpus 0.5 bb:1 sleep 1000 > /dev/null
    limits() {
      for file in memory/memory.limit_in_bytes pids/pids.max cpu/cpu.cfs_quota_us memory.max pids.max cpu.max; do
        d exec two cat /sys/fs/cgroup/$file 2> /dev/null
      done
    }
    limits
    d pause two; d inspect -f '{{.State.Status}}' two; d unpause two; d exec two echo awake
    d update --memory 96m --pids-limit 60 two; limits
    d stats --no-stream --format '{{.PIDs}} {{.MemUsage}}' two | sed 's, .*/,,'
    d top two -o pid,args | grep -c 'sleep 1000'
    d run --name three --memory 16m --memory-swap 16m bb:1 tail /dev/zero; echo "memory: $?"
    d inspect -f '{{.State.OOMKilled}}' three
    d run --rm bb:1 sh -c 'mknod /tmp/d c 1 1; busybox dd if=/tmp/d bs=1 count=1 2>&1 | grep -o "not permitted"'
    d run --rm --device /dev/kmsg bb:1 sh -c '[ -c /dev/kmsg ] && echo device'
    d rm -f two three
    """#

  @Test("run, exec, logs, stop and failures are as with runc")
  func compare() async throws {
    try await Bundle.with { bundle in
      try await bundle.archiveRoot(to: bundle.directory.appending("rootfs.tar"))
      let both = ["coracle", "runc"].map { "runtime=\($0); ( \(Self.steps)\n) > \($0).out\n" }
      let runtime = try Programs.directory.get().appending("coracle-runtime").string
      let script = ([Self.service] + both).joined(separator: "\n")
      let result = try await ChildProcess.run(
        ["unshare", "--net", "--mount", "/bin/sh", "-c", script, "sh", runtime],
        workingDirectory: bundle.directory)
      #expect(result.succeeded, "\(result.errorText)")
      func output(_ name: String) throws -> String {
        String(decoding: try bundle.directory.appending("\(name).out").readAll(), as: UTF8.self)
      }
      let ours = try output("coracle")
      #expect(try ours == output("runc"))
      #expect(ours.hasPrefix("hello\n"))
      #expect(ours.contains("terminal\n"))
      #expect(ours.contains("\(64 << 20)\n50\n50000"))
      #expect(ours.contains("paused\ntwo\nawake\n"))
    }
  }
}
