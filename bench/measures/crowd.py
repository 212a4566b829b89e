"""Very many running containers: how soon they are listed, and what the engine holds for each."""

import json
import time

from parts import processes
from parts.report import Section, at_most
from parts.rounds import tell
from parts.service import Service

CONTAINERS = 500
ROUNDS = 30
LIST_LIMIT = 0.010
MEMORY_LIMIT = int(0.4 * (1 << 20))
SETTLED_AFTER = 3


def measure(bench):
    tell(f"crowd: starting {CONTAINERS} containers ")
    store, run = bench.store_in(bench.workspace.directory("crowd"))
    with Service(bench.installation, store, run, log=bench.log) as service:
        service.initialize()
        service.request("image/import", {"path": bench.root_archive, "reference": bench.image})
        # What a service holds that has done nothing yet is no container's.
        time.sleep(1)
        empty = processes.proportional_bytes(service.pid)
        started = [
            service.request(
                "container/run",
                {"image": bench.image, "command": ["sleep", "10000"], "network": "none", "detach": True})["container"]
            for _ in range(CONTAINERS)]
        try:
            tell("measuring\n")
            time.sleep(SETTLED_AFTER)
            samples = [_once(service) for _ in range(bench.rounds or ROUNDS)]
            shims = [processes.proportional_bytes(processes.parent_of(container["pid"])) for container in started]
            held = max(0, processes.proportional_bytes(service.pid) - empty) / CONTAINERS
        finally:
            for container in started:
                service.request("container/remove", {"container": container["id"], "force": True})
    lists = Section(f"container/list: {CONTAINERS} running containers, until the last byte is read", "ms")
    lists.subject("coracle", samples, at_most(LIST_LIMIT))
    memory = Section(f"held for each of {CONTAINERS} running containers: PSS of its shim, and what the service grew by", "MiB")
    memory.subject("coracle", [shim + held for shim in shims], at_most(MEMORY_LIMIT))
    return [lists, memory]


def _once(service):
    start = time.monotonic()
    request = service.send("container/list", {})
    line = service.line()
    taken = time.monotonic() - start
    while (answer := json.loads(line)).get("id") != request:
        line = service.line()
    assert len(answer["result"]["containers"]) == CONTAINERS
    return taken
