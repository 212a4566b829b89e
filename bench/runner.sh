#!/bin/sh
# Compares, interleaved: the kernel's own share of a container's life (floor.c), Runner.start to waitForExit, an exec
# session, and `crun run` of the like bundle. In a mount namespace with nothing but cgroup v2 in sight, because crun
# refuses the hybrid set-up of some machines; it joins no cgroup.
set -eu
here=$(dirname "$(readlink -f "$0")")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
gcc -O2 -o "$scratch/floor" "$here/floor.c"
mkdir -p "$scratch/bundle/rootfs/bin"
cp /bin/busybox "$scratch/bundle/rootfs/bin/"
ln -s busybox "$scratch/bundle/rootfs/bin/true"
(
  cd "$scratch/bundle"
  crun spec
  python3 - <<'PY'
import json
spec = json.load(open("config.json"))
spec["process"].update(terminal=False, args=["/bin/true"])
spec["process"].pop("rlimits", None)
spec["root"]["readonly"] = False
spec["mounts"] = [m for m in spec["mounts"] if m["destination"] != "/sys/fs/cgroup"]
spec["linux"].pop("resources", None)
spec["linux"]["namespaces"].append({"type": "cgroup"})
json.dump(spec, open("config.json", "w"))
PY
)
CORACLE_BENCH_RUNNER=$scratch
export CORACLE_BENCH_RUNNER
# A fresh file system: ext4 steps over each inode deleted in the last minutes before it makes a file, and an overlay
# mount makes two, so that a second run on the same one would measure the first one's removals.
truncate -s 1G "$scratch/image"
mkfs.ext4 -q "$scratch/image"
cd "$here/.."
unshare -m --propagation private sh -c '
  mount -o loop "$CORACLE_BENCH_RUNNER/image" /mnt && export TMPDIR=/mnt
  mount -t tmpfs none /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup
  exec ${CORACLE_BENCH_PRIORITY:-} swift test --skip-build --filter StartBenchmark' | grep -E 'median|failed|passed'
