"""Builds of an application of 5,000 files: nothing changed, all anew, the last third changed; and what a RUN costs by itself."""

import os
import random
import time

from parts import processes
from parts.buildah import Buildah
from parts.docker import Docker
from parts.image import content_pool
from parts.report import Section, at_most, ratio_at_most
from parts.rounds import Contender, interleave, tell
from parts.service import Service
from parts.workspace import Unavailable, Workspace

ROUNDS = 5
FILES, DIRECTORIES, LARGEST = 5_000, 100, 8_000
RUNS = 10
RUN_LIMIT = 0.015
CANCELS = 10
CANCEL_LIMIT = 1.0
SEED = 6

# It ignores what would only ask it to end.
STUBBORN = "FROM bench\nRUN trap '' INT TERM HUP; echo running; sleep 100000; sleep 100000\n"

# Eight instructions; of what a build is told, only the last third depends.
APPLICATION = """FROM bench
WORKDIR /app
COPY manifest ./
RUN echo installed > /installed
COPY . .
RUN echo built > /built
ARG RELEASE=0
RUN echo "$RELEASE" > /release
CMD ["/bin/true"]
"""


def measure(bench):
    tell("build: peers ")
    # All of them on one: a build makes more files than a disk that has just lost others likes.
    with bench.workspace.fresh_filesystem(12) as disk, Workspace(bench.workspace.path) as workspace:
        return measured_on(disk, workspace, bench)


def measured_on(disk, workspace, bench):
    directory = bench.workspace.directory("build")
    context = os.path.join(directory, "context")
    make_context(context)
    files = {"application": APPLICATION, "one": runs(1), "many": runs(1 + RUNS)}
    for name, text in files.items():
        files[name] = os.path.join(directory, name)
        with open(files[name], "w") as file:
            file.write(text)
    empty = os.path.join(directory, "empty")
    os.mkdir(empty)

    builders = [Subject(disk, workspace, bench)]
    for engine in (Docker, Buildah):
        peer = bench.attempt(engine.name, Peer, engine, disk, workspace, bench)
        if peer is not None:
            builders.append(peer)

    tell("build: measuring ")
    found = {kind: {} for kind in ("cached", "changed", "cold", "run", "networked")}
    for kind, samples in found.items():
        contenders = [
            Contender(builder.name, Build(builder, kind, context, empty, files))
            for builder in builders if kind != "networked" or builder is builders[0]]
        measured, failures = interleave(contenders, bench.rounds or ROUNDS)
        bench.skip_all(failures)
        samples.update({contender.name: contender.samples for contender in measured})
        if "coracle" not in samples:
            raise Unavailable(failures["coracle"])
    return [
        section("a build with all in the cache, a context of 5,000 files", found["cached"], 1 / 3),
        section("a build of eight instructions and 5,000 files, without cache", found["cold"], 1 / 2),
        section("a build after a change in the last third, 5,000 files", found["changed"], 1 / 2),
        section("a RUN of nothing, without network", found["run"], None, at_most(RUN_LIMIT)),
        section("a RUN of nothing, in the network bridge", found["networked"], None, at_most(RUN_LIMIT)),
        section(
            "$/cancelRequest to the answer of a build whose RUN ignores signals",
            {"coracle": [builders[0].cancel() for _ in range(CANCELS)]}, None, at_most(CANCEL_LIMIT)),
    ]


class Build:
    """One kind of build by one builder; each call builds once, with a number that it never had."""

    number = 0

    def __init__(self, builder, kind, context, empty, files):
        self._builder, self._kind, self._context, self._empty, self._files = builder, kind, context, empty, files

    def __call__(self):
        if self._kind in ("run", "networked"):
            network = {"network": "bridge"} if self._kind == "networked" else {}
            one, many = (
                self._builder.build(self._empty, self._files[name], [], False, **network) for name in ("one", "many"))
            return max(many - one, 0) / RUNS
        if self._kind != "cached":
            Build.number += 1
        arguments = [f"RELEASE={Build.number}"]
        if self._kind == "cold":
            # What comes out was not there before either.
            with open(os.path.join(self._context, "manifest"), "w") as file:
                file.write(f"{Build.number}\n")
            return self._builder.build(self._context, self._files["application"], arguments, False)
        return self._builder.build(self._context, self._files["application"], arguments, True)


class Subject:
    name = "coracle"

    def __init__(self, disk, workspace, bench):
        store, run = bench.store_in(disk)
        self._service = workspace.enter_context(Service(bench.installation, store, run, log=bench.log))
        self._service.initialize()
        self._service.request("image/import", {"path": bench.root_archive, "reference": "bench"})

    def build(self, context, dockerfile, arguments, cached, network="none"):
        with open(dockerfile) as file:
            text = file.read()
        parameters = {
            "context": context, "dockerfile": text, "references": ["built:1"],
            "arguments": dict(argument.split("=", 1) for argument in arguments), "noCache": not cached,
            # As the peers: none of them makes a network.
            "network": network,
        }
        start = time.monotonic_ns()
        self._service.request("build/start", parameters)
        return (time.monotonic_ns() - start) / 1e9


    def cancel(self):
        """Until the build is answered; its RUN has ended then."""
        request = self._service.send(
            "build/start",
            {"dockerfile": STUBBORN, "network": "none", "output": "running", "initialCredit": 1 << 20})
        while b'"stream/data"' not in self._service.line():
            pass
        start = time.monotonic_ns()
        self._service.notify("$/cancelRequest", {"id": request})
        beginning = b'{"jsonrpc":"2.0","id":%d,' % request
        while not self._service.line().startswith(beginning):
            pass
        return (time.monotonic_ns() - start) / 1e9


class Peer:
    def __init__(self, engine, disk, workspace, bench):
        root = os.path.join(disk, engine.name)
        os.mkdir(root)
        self._engine, self._log = engine(workspace, root), bench.log
        self.name = engine.name
        self._engine.load_root(bench.root_archive)
        self._environment = getattr(self._engine, "build_environment", self._engine.environment)

    def build(self, context, dockerfile, arguments, cached):
        command = self._engine.build_command(context, dockerfile, "built", arguments, cached)
        return processes.seconds_of(command, self._environment, self._log)


def make_context(path):
    """The same files each time."""
    chance = random.Random(SEED)
    pool = content_pool(chance)
    for number in range(DIRECTORIES):
        directory = os.path.join(path, f"source-{number:03}")
        os.makedirs(directory)
        for index in range(FILES // DIRECTORIES):
            at, size = chance.randrange(len(pool) - LARGEST), chance.randrange(LARGEST)
            with open(os.path.join(directory, f"file-{index:02}"), "wb") as file:
                file.write(pool[at:at + size])
    with open(os.path.join(path, "manifest"), "w") as file:
        file.write("0\n")


def runs(count):
    return "FROM bench\n" + "".join(f"RUN true {number}\n" for number in range(count))


def section(title, samples, ratio, limit=None):
    made = Section(title, "ms")
    made.subject("coracle", samples["coracle"], limit)
    for name, label in (("docker", "docker build (BuildKit)"), ("buildah", "buildah bud --layers")):
        if name in samples:
            made.peer(label, samples[name], ratio and ratio_at_most(ratio))
    return made
