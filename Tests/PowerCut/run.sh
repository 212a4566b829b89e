#!/usr/bin/env bash
# Makes a guest of Debian's kernel (kept in .build/guest) and lets `power-cut` cut its power: ROUNDS times, with random
# moments from SEED. As root, for the loop mount. CORACLE_BIN_DIR has the programs, .build/release unless told.
set -euo pipefail
cd "$(dirname "$0")/../.."
((EUID == 0)) || { echo "make powercut: mounts the guest's disk, so run it as root" >&2; exit 2; }
rounds=${1:-10} seed=${2:-$RANDOM}
programs=${CORACLE_BIN_DIR:-$PWD/.build/release}
here=$PWD/Tests/PowerCut
# Not in /tmp, which is another one in the guest.
cache=$PWD/.build/guest
scratch=$cache/run-$$
mkdir -p "$cache" "$scratch"
trap 'mountpoint -q "$scratch/mount" && umount "$scratch/mount"; rm -rf "$scratch"' EXIT

Tests/Guest/make-guest "$cache" "$scratch"
"$here/power-cut" "$cache" "$scratch" "$programs" "$rounds" "$seed"
