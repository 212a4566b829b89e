#!/usr/bin/env bash
# Runs the tests of limits in a guest that has cgroup v2 and nothing of v1, which this machine may not be. As root. The tests
# are those of the last `swift build --build-tests`.
set -euo pipefail
cd "$(dirname "$0")/../.."
((EUID == 0)) || { echo "make cgroup2: shares the whole machine's files with a guest, so run it as root" >&2; exit 2; }
.ci/account
bin=$(swift build --show-bin-path)
programs=${CORACLE_BIN_DIR:-$bin}
# Not in /tmp, which is another one in the guest.
cache=$PWD/.build/guest
scratch=$cache/run-$$
mkdir -p "$scratch"
trap 'rm -rf "$scratch"' EXIT
Tests/Guest/make-guest "$cache" "$scratch"

cat > "$scratch/job" <<JOB
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root CORACLE_BIN_DIR=$programs
cd $PWD
mkdir -p /dev/shm /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t devpts devpts /dev/pts
timeout 1100 $bin/coraclePackageTests.xctest --testing-library swift-testing --no-parallel \
  --filter 'LimitsTests|DeviceNodeTests|ControlGroupTests|NodeTests'
echo "@ status \$?"
echo "@ groups left:" \$(ls -d /sys/fs/cgroup/coracle/*/ /sys/fs/cgroup/coracle-test*/ 2> /dev/null | wc -l)
echo o > /proc/sysrq-trigger
sleep 60
JOB
# A disk whose rates can be limited.
truncate -s 16M "$scratch/disk"
timeout 1200 Tests/Guest/boot "$cache" "$scratch/job" cgroup_no_v1=all \
  -drive "file=$scratch/disk,if=virtio,format=raw" < /dev/null | tee "$scratch/said" | tr -d '\r'
grep -q '^@ status 0' "$scratch/said" && grep -q '^@ groups left: 0' "$scratch/said"
