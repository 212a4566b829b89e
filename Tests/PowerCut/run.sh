#!/usr/bin/env bash
# Makes a guest of Debian's kernel (kept in .build/powercut) and lets `power-cut` cut its power: ROUNDS times, with random
# moments from SEED. As root, for the loop mount. CORACLE_BIN_DIR has the programs, .build/release unless told.
set -euo pipefail
cd "$(dirname "$0")/../.."
((EUID == 0)) || { echo "make powercut: mounts the guest's disk, so run it as root" >&2; exit 2; }
rounds=${1:-10} seed=${2:-$RANDOM}
programs=${CORACLE_BIN_DIR:-$PWD/.build/release}
here=$PWD/Tests/PowerCut
# Not in /tmp, which is another one in the guest.
cache=$PWD/.build/powercut
scratch=$cache/run-$$
mkdir -p "$cache" "$scratch"
trap 'mountpoint -q "$scratch/mount" && umount "$scratch/mount"; rm -rf "$scratch"' EXIT

if [[ ! -e $cache/initrd ]]; then
  package=$(apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
  [[ -n $package ]] || { echo "apt knows no linux-image-amd64: run apt-get update" >&2; exit 1; }
  echo "fetching $package"
  (cd "$scratch" && apt-get -qq -o APT::Sandbox::User=root download "$package" && dpkg -x "$package"_*.deb kernel)
  version=$(ls "$scratch/kernel/lib/modules")
  depmod -b "$scratch/kernel" "$version"
  mkdir -p "$scratch/initrd/bin" "$scratch/initrd/modules"
  cp /bin/busybox "$scratch/initrd/bin/"
  cp "$here/init" "$scratch/initrd/init"
  for module in virtio_pci virtio_blk 9pnet_virtio 9p overlay ext4 crc32c_generic dm-flakey; do
    modprobe -d "$scratch/kernel" -S "$version" --show-depends "$module" | sed -n 's/^insmod \([^ ]*\).*/\1/p'
  done | awk '!seen[$0]++' | while read -r file; do
    cp "$file" "$scratch/initrd/modules/"
    basename "$file" >> "$scratch/initrd/modules/list"
  done
  cp "$scratch"/kernel/boot/vmlinuz-* "$cache/kernel"
  (cd "$scratch/initrd" && find . | cpio --quiet -o -H newc | gzip -1) > "$cache/initrd.new"
  mv "$cache/initrd.new" "$cache/initrd"
fi
"$here/power-cut" "$cache/kernel" "$cache/initrd" "$scratch" "$programs" "$rounds" "$seed"
