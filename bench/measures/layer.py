"""What changes little costs little: one more small layer, the same pull again, and the removal of the image."""

import os
import time

from parts import processes
from parts.containerd import Containerd
from parts.docker import Docker
from parts.image import distribution_image
from parts.podman import Podman
from parts.report import Section, at_most, ratio_at_most
from parts.rounds import tell
from parts.service import Service
from parts.variants import with_layer
from parts.workspace import Unavailable, Workspace

ROUNDS = 3
LAYER_LIMIT, REPEAT_LIMIT, REMOVAL_RATIO = 0.050, 0.010, 1 / 4
REPEATS = 5
REPOSITORY = "bench/layers"
POSITIONS = {"below those": 0, "between those": 2, "on top of those": 4}


class Subject:
    """Coracle as a peer: what takes a command elsewhere is a request here."""

    name = "coracle"

    def __init__(self, bench, directory):
        store, run = bench.store_in(directory)
        self._service = Service(bench.installation, store, run, log=bench.log)
        self._service.initialize()

    def pull(self, reference):
        return self._timed("image/pull", {"reference": reference})

    def remove(self, reference):
        return self._timed("image/remove", {"image": reference})

    def close(self):
        """Ends the session, which waits until the space of what was removed is free."""
        self._service.close()

    def _timed(self, method, params):
        start = time.monotonic()
        self._service.request(method, params)
        return time.monotonic() - start


class Peer:
    """Another engine, by its client's commands."""

    def __init__(self, engine, bench, workspace, directory):
        self._engine, self._log = engine(workspace, directory), bench.log
        self.name = engine.name

    def pull(self, reference):
        return self._timed(self._engine.pull_command(reference))

    def remove(self, reference):
        return self._timed(self._engine.remove_image_command(reference))

    def close(self):
        pass

    def _timed(self, command):
        return processes.seconds_of(command, self._engine.environment, self._log)


def measure(bench):
    tell("layer: the images ")
    image = distribution_image(bench.cache)
    reference = bench.registry.push(REPOSITORY, "base", image)
    bench.registry.warm(REPOSITORY, image)
    rounds = bench.rounds or ROUNDS
    variants = {}
    for number in range(rounds):
        for where, position in POSITIONS.items():
            directory = bench.workspace.directory("variant")
            variant = with_layer(directory, image, position, f"v{number}-{position}")
            variants[where, number] = bench.registry.push(
                REPOSITORY, f"v{number}-{position}", variant, present=image.layers)
    samples = {}

    def take_part(number, make, name):
        with bench.workspace.fresh_filesystem() as directory, Workspace(bench.workspace.path) as own:
            engine = make(own, directory)
            try:
                engine.pull(reference)
                os.sync()
                for _ in range(REPEATS):
                    samples.setdefault((name, "again"), []).append(engine.pull(reference))
                added = []
                for where in POSITIONS:
                    samples.setdefault((name, where), []).append(engine.pull(variants[where, number]))
                    added.append(variants[where, number])
                for one in added:
                    engine.remove(one)
                os.sync()
                start = time.monotonic()
                samples.setdefault((name, "removal"), []).append(engine.remove(reference))
            except BaseException:
                engine.close()
                raise
            engine.close()
            samples.setdefault((name, "freed"), []).append(time.monotonic() - start)
        tell(".")

    contenders = [("coracle", lambda own, directory: Subject(bench, directory))]
    contenders += [
        (engine.name, lambda own, directory, engine=engine: Peer(engine, bench, own, directory))
        for engine in (Docker, Podman, Containerd)]
    failed = set()
    tell("measuring ")
    for number in range(rounds):
        for name, make in contenders:
            if name in failed:
                continue
            try:
                take_part(number, make, name)
            except Unavailable as reason:
                failed.add(name)
                bench.skip(name, str(reason))
    tell("\n")

    def section(title, unit, key, own=None, others=None):
        made = Section(title, unit)
        made.subject("coracle", samples["coracle", key], own)
        for name, _ in contenders[1:]:
            if (name, key) in samples:
                made.peer(name, samples[name, key], others)
        return made

    sections = [
        section(f"image/pull: one new small layer, {where} that are present", "ms", where, at_most(LAYER_LIMIT))
        for where in POSITIONS]
    sections.append(section("image/pull again: nothing is new", "ms", "again", at_most(REPEAT_LIMIT)))
    removal = section(
        f"image/remove: {image.entries:,} entries, until it is answered", "ms", "removal", others=ratio_at_most(REMOVAL_RATIO))
    removal.note("coracle answers when the image's names and blobs are gone, and then removes its files; the others' are gone then:")
    removal.note("the next table has like with like.")
    sections.append(removal)
    sections.append(section(
        f"image/remove: {image.entries:,} entries, until their space is free", "ms", "freed",
        others=ratio_at_most(REMOVAL_RATIO)))
    return sections
