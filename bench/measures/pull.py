"""Pull and unpack a distribution's image, cold, from a loopback registry; each time on a file system of its own."""

import os
import time

from parts import floor, processes
from parts.docker import Docker
from parts.podman import Podman
from parts.report import Section, ratio_at_most
from parts.rounds import Contender, interleave, tell
from parts.service import Service
from parts.image import distribution_image
from parts.workspace import Unavailable, Workspace

REPOSITORY = "bench/distribution"
ROUNDS = 3


def measure(bench):
    tell("pull: the image ")
    image = distribution_image(bench.cache)
    reference = bench.registry.push(REPOSITORY, "1", image)
    bench.registry.warm(REPOSITORY, image)
    digests = [layer.digest for layer in image.layers]
    urls = [bench.registry.blob_url(REPOSITORY, digest) for digest in digests]
    synced = Contender("floor, then sync", None)

    def pull_with_floor():
        with bench.workspace.fresh_filesystem() as directory:
            log = os.path.join(directory, "log")
            unpack = processes.seconds_of(floor.pull_command(urls, directory), log=log)
            start = time.monotonic()
            os.sync()
            synced.samples.append(unpack + time.monotonic() - start)
            floor.check_pull(digests, directory)
            return unpack

    def pull_with_coracle():
        with bench.workspace.fresh_filesystem() as directory:
            store, run = bench.store_in(directory)
            with Service(bench.installation, store, run, log=bench.log) as service:
                service.initialize()
                os.sync()
                start = time.monotonic()
                service.request("image/pull", {"reference": reference})
                return time.monotonic() - start

    def pull_with(engine):
        def once():
            with bench.workspace.fresh_filesystem() as directory, Workspace(bench.workspace.path) as own:
                peer = engine(own, directory)
                os.sync()
                return processes.seconds_of(peer.pull_command(reference), peer.environment, bench.log)
        return once

    coracle, base = Contender("coracle", pull_with_coracle), Contender("floor", pull_with_floor)
    peers = [Contender(engine.name, pull_with(engine)) for engine in (Docker, Podman)]
    tell("pull: measuring ")
    # The first pull of all pays for cold programs: it is the floor's, and not counted.
    base.take_part(0)
    base.forget()
    synced.forget()
    measured, failures = interleave([coracle, base, *peers], bench.rounds or ROUNDS, warm_up=False)
    bench.skip_all(failures)
    if coracle not in measured:
        raise Unavailable(coracle.failure)

    section = Section(
        f"image/pull, cold: {len(digests)} layers, {image.compressed_bytes / 2**20:.0f} MiB compressed, "
        f"{image.unpacked_bytes / 1e6:.0f} MB and {image.entries:,} entries unpacked", "s")
    section.subject("coracle", coracle.samples)
    if base in measured:
        section.peer("curl | sha256 | igzip | tar", base.samples, ratio_at_most(1.5))
        section.peer("the same, then sync", synced.samples)
    for peer in peers:
        if peer in measured:
            section.peer(f"{peer.name} pull", peer.samples)
    section.note("coracle's time ends with everything synced (syncfs); docker syncs its metadata and podman nothing")
    section.note("that is large, as the first of the two floors: see the second for like with like.")
    return [section]
