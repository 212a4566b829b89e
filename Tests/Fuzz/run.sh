#!/usr/bin/env bash
# Runs both fuzz targets, SECONDS each (60 unless told), in a scratch directory that is removed when nothing was found.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-60}

swift build --quiet --product fuzz
fuzz=$(swift build --show-bin-path)/fuzz
scratch=$(mktemp -d)
mkdir "$scratch/seeds" "$scratch/seeds/tree"

cd "$scratch/seeds/tree"
mkdir -p a/b/c; echo text > a/file; ln a/file a/again; ln -s ../file a/b/link; touch a/.wh.gone a/b/.wh..wh..opq
mkfifo pipe; truncate -s 1M holes; echo end >> holes; touch "$(printf 'n%.0s' {1..200})"
for format in gnu posix; do tar --format=$format --sparse --exclude='n*' -cf ../$format.tar .; done
tar --format=ustar --exclude=holes --exclude='n*' -cf ../ustar.tar .
tar --format=posix --xattrs -cf ../names.tar . && tar --format=gnu -cf ../long.tar .
gzip -k ../gnu.tar && zstd -q ../posix.tar
cd "$scratch/seeds"
digest=sha256:$(printf '0%.0s' {1..64})
layer='{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"'$digest'","size":12}'
config='{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"'$digest'","size":7}'
echo '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":'"$config"',"layers":['"$layer"']}' > image.json
echo '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"'$digest'","size":9,"platform":{"os":"linux","architecture":"amd64"}}]}' > index.json
echo '{"architecture":"amd64","os":"linux","config":{"Env":["A=b"],"Cmd":["sh"],"User":"1:2","ExposedPorts":{"80/tcp":{}}},"rootfs":{"type":"layers","diff_ids":["'$digest'"]},"history":[{"created":"2020-01-01T00:00:00Z","empty_layer":true}]}' > config.json

failed() { echo "fuzz: found something; the input is $scratch/input" >&2; exit 1; }
"$fuzz" archive "$seconds" "$scratch" ./*.tar ./*.gz ./*.zst || failed
"$fuzz" manifest "$seconds" "$scratch" ./*.json || failed
cd /
rm -rf "$scratch"
