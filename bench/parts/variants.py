"""Images made from the distribution's, or like it: with zstd, with one more layer, and one of a single large layer."""

import hashlib
import io
import json
import os
import random
import subprocess
import tarfile

from .image import SEED, Blob, Slices, assemble, content_pool, directory_entry, make_layer
from .workspace import program

LARGE_LAYER_BYTES = 1 << 30
LARGE_FILE_BYTES = 64 << 20
SMALL_FILES = 10
SMALL_FILE_BYTES = 4096


def zstd_image(image):
    """The same layers compressed with zstd at its usual level; beside those with gzip, once."""
    directory = os.path.join(os.path.dirname(image.layers[0].path), "zstd")
    return assemble(directory, _kept(directory, lambda: [_with_zstd(layer, directory) for layer in image.layers]))


def large_image(cache):
    """One layer of 1 GiB, which compresses well, so that it is soon pulled."""
    directory = os.path.join(cache, f"large-{LARGE_LAYER_BYTES}")

    def fill(archive):
        chance = random.Random(f"{SEED}.large")
        # A small pool repeats within gzip's window; it is larger than any slice that tarfile asks for.
        pool = content_pool(chance)[:24 << 10]
        archive.addfile(directory_entry("large"))
        count = LARGE_LAYER_BYTES // LARGE_FILE_BYTES
        for index in range(count):
            entry = tarfile.TarInfo(f"large/file-{index:02}")
            entry.size, entry.mtime = LARGE_FILE_BYTES, 1_700_000_000
            archive.addfile(entry, Slices(pool, chance, LARGE_FILE_BYTES))
        return count + 1

    return assemble(directory, _kept(directory, lambda: [make_layer(os.path.join(directory, "layer.tar.gz"), fill, 1)]))


def with_layer(directory, image, position, name):
    """The image with a small layer of its own at a position, below all others at 0; the name makes its content unique."""
    def fill(archive):
        chance = random.Random(f"{SEED}.{name}")
        archive.addfile(directory_entry("opt"))
        for index in range(SMALL_FILES):
            entry = tarfile.TarInfo(f"opt/{name}-{index}")
            entry.size, entry.mtime = SMALL_FILE_BYTES, 1_700_000_000
            archive.addfile(entry, Slices(chance.randbytes(2 * SMALL_FILE_BYTES), chance, SMALL_FILE_BYTES))
        return SMALL_FILES + 1

    layers = list(image.layers)
    layers.insert(position, make_layer(os.path.join(directory, f"{name}.tar.gz"), fill))
    return assemble(directory, layers)


def small_layers(count=3):
    """Uncompressed layers of one small file each."""
    layers = []
    for number in range(count):
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            entry = tarfile.TarInfo(f"file-{number}")
            entry.mtime = 1_700_000_000
            archive.addfile(entry)
        layers.append(packed.getvalue())
    return layers


def _kept(directory, make):
    """The layers that `make` makes in the directory, made once."""
    index = os.path.join(directory, "image.json")
    if not os.path.exists(index):
        os.makedirs(directory, exist_ok=True)
        with open(index + ".partial", "w") as file:
            json.dump([layer._asdict() for layer in make()], file)
        os.rename(index + ".partial", index)
    with open(index) as file:
        return [Blob(**fields) for fields in json.load(file)]


def _with_zstd(layer, directory):
    path = os.path.join(directory, os.path.basename(layer.path).replace(".gz", ".zst"))
    inflate = subprocess.Popen([program("igzip", "isal"), "-d", "-c", layer.path], stdout=subprocess.PIPE)
    with open(path, "wb") as file:
        subprocess.run([program("zstd"), "-q", "-c"], stdin=inflate.stdout, stdout=file, check=True)
    inflate.stdout.close()
    if inflate.wait() != 0:
        raise RuntimeError(f"igzip -d {layer.path} failed")
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return layer._replace(
        path=path, digest="sha256:" + digest, size=os.path.getsize(path),
        media_type="application/vnd.oci.image.layer.v1.tar+zstd")
