#!/usr/bin/env bash
# Runs the fuzz targets, SECONDS each (60 unless told), in a scratch directory that is removed when nothing was found. SEED repeats
# the inputs of an earlier run.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-60}
seed=${2:-$((RANDOM << 30 | RANDOM << 15 | RANDOM))}

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


# Archives of images: a Docker archive and a layout of one small layer, one of them with a sparse file.
python3 - << 'END'
import hashlib, io, json, tarfile
sha = lambda data: hashlib.sha256(data).hexdigest()
layer = open("ustar.tar", "rb").read()
config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": ["sha256:" + sha(layer)]}}).encode()
docker = {"c.json": config, "l/layer.tar": layer,
  "manifest.json": json.dumps([{"Config": "c.json", "RepoTags": ["a/b:1"], "Layers": ["l/layer.tar"]}]).encode()}
manifest = json.dumps({"schemaVersion": 2, "config": {"mediaType": "application/vnd.oci.image.config.v1+json",
  "digest": "sha256:" + sha(config), "size": len(config)}, "layers": [{
  "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": "sha256:" + sha(layer), "size": len(layer)}]}).encode()
layout = {"blobs/sha256/" + sha(data): data for data in (config, layer, manifest)}
layout["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json",
  "digest": "sha256:" + sha(manifest), "size": len(manifest)}]}).encode()
def write(name, files, sparse=False):
  with tarfile.open(name, "w") as tar:
    for path, data in files.items():
      info = tarfile.TarInfo(path); info.size = len(data); tar.addfile(info, io.BytesIO(data))
    link = tarfile.TarInfo("l/other"); link.type = tarfile.SYMTYPE; link.linkname = "layer.tar"; tar.addfile(link)
    if sparse:
      info = tarfile.TarInfo("hole"); data = b"1\n4096\n4\n".ljust(512, b"\0") + b"text"; info.size = len(data)
      info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "hole", "GNU.sparse.realsize": "8192"}
      tar.addfile(info, io.BytesIO(data))
write("docker.images", docker); write("layout.images", layout); write("sparse.images", docker, sparse=True)
END

cat > all.dockerfile << 'END'
# syntax=docker/dockerfile:1
# check=skip=JSONArgsRecommended
ARG VERSION=1 BASE=alpine:${VERSION:-3}
FROM --platform=$BUILDPLATFORM ${BASE} AS build
SHELL ["/bin/sh", "-ec"]
WORKDIR /src
ENV A=1 B="two words" C='$A' D=${VERSION##*.} E=${A/1/2}
ARG TARGETOS TARGETARCH=${TARGETOS:+x}
RUN --mount=type=cache,target=/c,sharing=locked --mount=type=secret,id=k,required --network=none \
  # a comment
  make "$A" && \
  true
RUN <<EOF cat - <<-'OTHER'
echo $A
EOF
	text
	OTHER
COPY --chown=1:2 --chmod=0755 --exclude=*.o --parents a b/./c "d e" /dst/
COPY <<FILE /etc/file
$A ${B%% *}
FILE
ADD --checksum=sha256:00 https://example.invalid/x.tar.gz /
ONBUILD RUN ["true"]
FROM scratch
COPY --from=build --link / /
LABEL a=b "c d"="e\
f"
EXPOSE 80 8000-8002/udp
VOLUME ["/data"]
USER 1:2
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=1m30s --start-interval=5s --retries=3 CMD curl x || exit 1
ENTRYPOINT ["/bin/server"]
CMD ["--listen", ":80"]
END
printf '*\n!src/**/*.go\n# no\n**/[a-z]?\n\\*x\n/a/../b/\n' > rules.dockerfile
printf 'ARG X\nFROM @ AS a\nFROM $X@\nENV A=$X$X B=${A//?/$A}\nFROM a:b@c\n' > names.dockerfile

failed() { echo "fuzz: found something with seed $seed; the input is $scratch/input" >&2; exit 1; }
"$fuzz" archive "$seconds" "$seed" "$scratch" ./*.tar ./*.gz ./*.zst || failed
"$fuzz" load "$seconds" "$seed" "$scratch" ./*.images || failed
"$fuzz" manifest "$seconds" "$seed" "$scratch" ./*.json || failed
"$fuzz" dockerfile "$seconds" "$seed" "$scratch" ./*.dockerfile || failed
cd /
rm -rf "$scratch"
