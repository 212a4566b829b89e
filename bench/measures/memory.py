"""What an engine keeps in memory for each container that runs."""

import time

from parts import processes
from parts.report import Section, at_most
from parts.rounds import tell
from parts.workspace import Unavailable

COMMAND = ("sleep", "1000")
COUNTS = (1, 10)
SETTLED_AFTER = 2
LIMIT = int(0.4 * (1 << 20))


class Coracle:
    """The same four words as the peers."""

    name = "coracle"

    def __init__(self, bench):
        self._bench = bench

    def start(self, *command):
        started = self._bench.service.request(
            "container/run", {"image": self._bench.image, "command": list(command), "network": "none", "detach": True})
        return started["container"]["id"], started["container"]["pid"]

    def remove(self, names):
        for name in names:
            self._bench.service.request("container/remove", {"container": name, "force": True})


def measure(bench):
    tell("memory: measuring ")
    sections = []
    for count in COUNTS:
        section = Section(f"held for each of {count} running container{'s' * (count > 1)}, after {SETTLED_AFTER} s: PSS of its monitor", "MiB")
        for engine in (Coracle(bench), *bench.peers):
            try:
                samples, monitor = monitors(engine, count)
            except Unavailable as reason:
                bench.skip(engine.name, str(reason))
                continue
            if engine.name == "coracle":
                section.subject(monitor, samples, at_most(LIMIT))
            else:
                section.peer(f"{engine.name}: {monitor}", samples)
            tell(".")
        sections.append(section)
    tell("\n")
    return sections


def monitors(engine, count):
    """The PSS of the parent of each of several containers, while all of them run, and that parent's name."""
    names = []
    try:
        parents = []
        for _ in range(count):
            name, pid = engine.start(*COMMAND)
            names.append(name)
            parents.append(processes.parent_of(pid))
        if len(set(parents)) != count:
            raise Unavailable("its containers share a parent")
        # What it takes to start is given back, by those that do, when nothing has happened for a while.
        time.sleep(SETTLED_AFTER)
        return [processes.proportional_bytes(parent) for parent in parents], processes.name_of(parents[0])
    finally:
        if names:
            engine.remove(names)
