"""An image like a Linux distribution's: 4 layers, 35,000 files, 430 MB, about 150 MiB compressed.

Every byte follows from the seed, so each machine measures the same image. It is made once and kept (under the name of its
recipe) because making it takes longer than pulling it. What is made from it or like it is in variants.py.
"""

import collections
import gzip
import hashlib
import itertools
import json
import multiprocessing
import os
import random
import tarfile

SEED = 20
FILES = 35_000
UNPACKED_BYTES = 430_000_000
# Of files and bytes, by layer: a base, then what is installed on it.
SHARES = (0.4, 0.3, 0.2, 0.1)
LARGE_FILES = 60  # libraries and programs of megabytes, which hold two fifths of the bytes
LARGE_SHARE = 0.4
# How much of the content is noise that does not compress; chosen for 150 MiB in the end.
NOISE = 0.16
POOL_BYTES = 8 << 20
MEDIA_TYPE = "application/vnd.oci.image.manifest.v1+json"

Blob = collections.namedtuple("Blob", "path digest size media_type diff_id unpacked_bytes entries")


class Image:
    """Files on disk: `layers` (the lowest first), `config`, and the manifest's bytes."""

    media_type = MEDIA_TYPE

    def __init__(self, layers, config, manifest):
        self.layers, self.config, self.manifest = layers, config, manifest
        self.blobs = layers + [config]
        self.compressed_bytes = sum(layer.size for layer in layers)
        self.unpacked_bytes = sum(layer.unpacked_bytes for layer in layers)
        self.entries = sum(layer.entries for layer in layers)


def distribution_image(cache):
    """The image, from the cache directory or made anew in it."""
    with open(__file__, "rb") as file:
        directory = os.path.join(cache, "image-" + hashlib.sha256(file.read()).hexdigest()[:12])
    index = os.path.join(directory, "image.json")
    if not os.path.exists(index):
        os.makedirs(directory, exist_ok=True)
        # The largest first: the two processes end at about the same time.
        with multiprocessing.get_context("fork").Pool(2) as pool:
            layers = pool.starmap(_make_layer, [(directory, number) for number in range(len(SHARES))], chunksize=1)
        with open(index + ".partial", "w") as file:
            json.dump([layer._asdict() for layer in layers], file)
        os.rename(index + ".partial", index)
    with open(index) as file:
        layers = [Blob(**fields) for fields in json.load(file)]
    return assemble(directory, layers)


def assemble(directory, layers):
    """The image of some layers, the lowest first; its configuration goes into the directory."""
    config = json.dumps({
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine),
        "os": "linux",
        "config": {"Cmd": ["/bin/true"]},
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
    }).encode()
    path = os.path.join(directory, "config.json")
    with open(path, "wb") as file:
        file.write(config)
    blob = Blob(path, _digest(config), len(config), "application/vnd.oci.image.config.v1+json", None, 0, 0)

    def descriptor(one):
        return {"mediaType": one.media_type, "digest": one.digest, "size": one.size}

    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": MEDIA_TYPE, "config": descriptor(blob),
        "layers": [descriptor(layer) for layer in layers],
    }).encode()
    return Image(layers, blob, manifest)


def _make_layer(directory, number):
    chance = random.Random(f"{SEED}.{number}")
    pool = content_pool(chance)
    path = os.path.join(directory, f"layer-{number}.tar.gz")
    return make_layer(path, lambda archive: _fill(archive, number, chance, pool))


def make_layer(path, fill, level=6):
    """A layer of what `fill` adds to an archive; it answers the number of entries."""
    with open(path, "wb") as file, gzip.GzipFile("", "wb", level, file, mtime=0) as compressed:
        tee = _Hashing(compressed)
        with tarfile.open(fileobj=tee, mode="w|", format=tarfile.USTAR_FORMAT) as archive:
            entries = fill(archive)
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Blob(
        path, "sha256:" + digest, os.path.getsize(path), "application/vnd.oci.image.layer.v1.tar+gzip",
        "sha256:" + tee.hash.hexdigest(), tee.count, entries)


def _fill(archive, number, chance, pool):
    """Directories of 20 to 50 files, every path with all its parents, some symbolic links between them."""
    sizes = _sizes(number, chance)
    entries = 0
    for parent in ("usr", "usr/lib", "usr/share"):
        archive.addfile(directory_entry(parent))
        entries += 1
    while sizes:
        name = f"usr/{chance.choice(('lib', 'share'))}/package-{number}-{len(sizes):05}"
        archive.addfile(directory_entry(name))
        for index in range(min(len(sizes), chance.randint(20, 50))):
            size = sizes.pop()
            entry = tarfile.TarInfo(f"{name}/file-{index:02}-{chance.getrandbits(32):08x}")
            entry.size, entry.mtime = size, 1_700_000_000 + chance.randrange(10_000_000)
            entry.mode = 0o755 if chance.random() < 0.1 else 0o644
            archive.addfile(entry, Slices(pool, chance, size))
            entries += 1
        link = tarfile.TarInfo(f"{name}/current")
        link.type, link.linkname = tarfile.SYMTYPE, "file-00"
        archive.addfile(link)
        entries += 2
    return entries


def _sizes(number, chance):
    """Many small files, a long tail, and a few large ones; scaled so that the sum is this layer's share."""
    count, large = round(FILES * SHARES[number]), round(LARGE_FILES * SHARES[number])
    wanted = UNPACKED_BYTES * SHARES[number]
    small = _scaled([chance.lognormvariate(0, 1.4) for _ in range(count - large)], wanted * (1 - LARGE_SHARE))
    sizes = small + _scaled([chance.uniform(1, 8) for _ in range(large)], wanted * LARGE_SHARE)
    chance.shuffle(sizes)
    return sizes


def _scaled(weights, total):
    factor = total / sum(weights)
    return [int(weight * factor) for weight in weights]


def content_pool(chance):
    """Text of made-up words with noise between, so far apart when it repeats that compression cannot see it."""
    words = ["".join(chance.choices("etaoinshrdlucmfw_", k=chance.randint(3, 12))) for _ in range(1000)]
    # As in a language, the n-th word is about 1/n as frequent as the first.
    frequencies = list(itertools.accumulate((rank + 1) ** -1.2 for rank in range(len(words))))
    pieces, size = [], 0
    while size < POOL_BYTES:
        if chance.random() < NOISE:
            piece = chance.randbytes(1024)
        else:
            piece = " ".join(chance.choices(words, cum_weights=frequencies, k=300)).encode()[:1024]
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)


class Slices:
    """A file's content for tarfile: pieces of the pool from random places."""

    def __init__(self, pool, chance, size):
        self._pool, self._chance, self._left = pool, chance, size

    def read(self, count=-1):
        count = self._left if count < 0 else min(count, self._left)
        at = self._chance.randrange(len(self._pool) - count)
        self._left -= count
        return self._pool[at:at + count]


class _Hashing:
    def __init__(self, sink):
        self._sink, self.hash, self.count = sink, hashlib.sha256(), 0

    def write(self, piece):
        self.hash.update(piece)
        self.count += len(piece)
        return self._sink.write(piece)


def directory_entry(name):
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.mtime = tarfile.DIRTYPE, 0o755, 1_700_000_000
    return entry


def _digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()
