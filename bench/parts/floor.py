"""What the kernel and the best of single tools need for the same work: no engine can be much below."""

import os

from . import processes
from .workspace import Unavailable, program

# For one layer: fetch, hash the compressed bytes, inflate, unpack; each is its own process.
LAYER = """
set -o pipefail
mkdir "$2"
curl --silent --fail "$1" | tee >(openssl sha256 -r > "$2.sum") | {inflate} | tar --extract --directory "$2"
"""
INFLATE = {"gzip": "igzip -d -c", "zstd": "zstd -q -d -c"}


def container_floor(workspace):
    """bench/floor.c, compiled."""
    source = os.path.join(os.path.dirname(os.path.dirname(__file__)), "floor.c")
    compiled = os.path.join(workspace.directory("floor"), "floor")
    processes.output_of([program("cc", "gcc"), "-O2", "-o", compiled, source])
    return compiled


def container_seconds(floor, workspace, lower, command):
    """Seconds from clone3 to the end of the command, on a fresh upper directory."""
    scratch = workspace.directory("floor-layers")
    line = processes.output_of([floor, "1", lower, scratch, *command])
    return int(line.split()[1]) / 1e6


def pull_command(urls, directory, compression):
    """A command that fetches and unpacks layers, two at a time."""
    inflate = INFLATE[compression]
    for name in ("curl", "openssl", inflate.split()[0], "tar"):
        program(name, {"igzip": "isal"}.get(name, name))
    jobs = " ".join(f"'{url}' '{directory}/{index}'" for index, url in enumerate(urls))
    script = f"printf '%s\\n' {jobs} | xargs --max-procs 2 --max-args 2 bash -c '{LAYER.format(inflate=inflate)}' layer"
    return [program("bash"), "-c", script]


def check_pull(digests, directory):
    """The floor that counts has hashed and unpacked everything."""
    for index, digest in enumerate(digests):
        with open(f"{directory}/{index}.sum") as file:
            if "sha256:" + file.read().split()[0] != digest:
                raise Unavailable("the floor of the pull did not see the layers' bytes")
        if not os.listdir(f"{directory}/{index}"):
            raise Unavailable("the floor of the pull unpacked nothing")
