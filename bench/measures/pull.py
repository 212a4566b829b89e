"""Pull and unpack a distribution's image, cold, from a loopback registry; each time on a file system of its own."""

import os
import time

from parts import floor, processes
from parts.containerd import Containerd
from parts.docker import Docker
from parts.image import distribution_image
from parts.podman import Podman
from parts.report import Section, at_most, ratio_at_most
from parts.rounds import Contender, interleave, tell
from parts.service import Service
from parts.variants import large_image, zstd_image
from parts.workspace import Unavailable, Workspace

ROUNDS = 3
FLOOR_RATIO, PEER_RATIO = 1.2, 1 / 3
PEAK_LIMIT = 64 << 20


def measure(bench):
    tell("pull: the images ")
    image = distribution_image(bench.cache)
    images = {"gzip": image, "zstd": zstd_image(image)}
    sections = []
    for compression, one in images.items():
        sections += _measure(bench, compression, one)
    sections.append(_measure_peak(bench, images))
    return sections


def _measure(bench, compression, image):
    repository = f"bench/distribution-{compression}"
    reference = bench.registry.push(repository, "1", image)
    bench.registry.warm(repository, image)
    digests = [layer.digest for layer in image.layers]
    urls = [bench.registry.blob_url(repository, digest) for digest in digests]
    synced = Contender("floor, then sync", None)
    cpu = {}

    def spending(name, body):
        """What the body answers, while what it spends of the processors is taken down."""
        start = processes.cpu_seconds(bench.registry.pid)
        answer = body()
        cpu.setdefault(name, []).append(processes.cpu_seconds(bench.registry.pid) - start)
        return answer

    def pull_with_floor():
        with bench.workspace.fresh_filesystem() as directory:
            log = os.path.join(directory, "log")
            command = floor.pull_command(urls, directory, compression)
            unpack = spending("floor", lambda: processes.seconds_of(command, log=log))
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
                spending("coracle", lambda: service.request("image/pull", {"reference": reference}))
                return time.monotonic() - start

    def pull_with(engine):
        def once():
            with bench.workspace.fresh_filesystem() as directory, Workspace(bench.workspace.path) as own:
                peer = engine(own, directory)
                os.sync()
                command = peer.pull_command(reference)
                return spending(engine.name, lambda: processes.seconds_of(command, peer.environment, bench.log))
        return once

    coracle, base = Contender("coracle", pull_with_coracle), Contender("floor", pull_with_floor)
    peers = [Contender(engine.name, pull_with(engine)) for engine in (Docker, Podman, Containerd)]
    tell(f"pull of {compression}: measuring ")
    # The first pull of all pays for cold programs: it is the floor's, and not counted.
    base.take_part(0)
    for contender in (base, synced):
        contender.forget()
    cpu.clear()
    measured, failures = interleave([coracle, base, *peers], bench.rounds or ROUNDS, warm_up=False)
    bench.skip_all(failures)
    if coracle not in measured:
        raise Unavailable(coracle.failure)

    wall = Section(
        f"image/pull, cold: {len(digests)} layers, {image.compressed_bytes / 2**20:.0f} MiB in {compression}, "
        f"{image.unpacked_bytes / 1e6:.0f} MB and {image.entries:,} entries unpacked", "s")
    wall.subject("coracle", coracle.samples)
    if base in measured:
        inflate = {"gzip": "igzip", "zstd": "zstd"}[compression]
        wall.peer(f"curl | sha256 | {inflate} | tar", base.samples, ratio_at_most(FLOOR_RATIO))
        wall.peer("the same, then sync", synced.samples)
    spent = Section(f"image/pull, cold, {compression}: processor time, daemons' and clients' together", "s")
    spent.subject("coracle", cpu["coracle"])
    if base in measured:
        spent.peer("the floor", cpu["floor"])
    for peer in peers:
        if peer in measured:
            wall.peer(f"{peer.name} pull", peer.samples, ratio_at_most(PEER_RATIO))
            spent.peer(f"{peer.name} pull", cpu[peer.name], ratio_at_most(PEER_RATIO))
    wall.note("coracle's time ends with everything synced (syncfs). docker and ctr sync their metadata and blobs, and podman")
    wall.note("its metadata; none of them what was unpacked, as the first of the two floors: see the second for like with like.")
    return [wall, spent]


def _measure_peak(bench, images):
    """The service's peak over whole pulls, the session's start included."""
    tell("pull: memory ")
    section = Section("image/pull: the most that the service had resident", "MiB")
    large = large_image(bench.cache)
    for name, image in {
        "4 layers in gzip": images["gzip"], "4 layers in zstd": images["zstd"],
        f"one layer of {large.unpacked_bytes / 2**30:.0f} GiB": large,
    }.items():
        repository = "bench/peak-" + "".join(letter for letter in name.lower() if letter.isalnum())
        reference = bench.registry.push(repository, "1", image)
        samples = []
        for _ in range(min(bench.rounds or ROUNDS, ROUNDS)):
            with bench.workspace.fresh_filesystem() as directory:
                store, run = bench.store_in(directory)
                with Service(bench.installation, store, run, log=bench.log) as service:
                    service.initialize()
                    service.request("image/pull", {"reference": reference})
                    samples.append(processes.peak_bytes(service.pid))
            tell(".")
        section.subject(name, samples, at_most(PEAK_LIMIT))
    tell("\n")
    return section
