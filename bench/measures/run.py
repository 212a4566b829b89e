"""One short container, warm and without a network, from the request to its exit event."""

import time

from parts import floor, processes, runtimes
from parts.bundle import bundle, mounted_root
from parts.cgroup2 import CgroupV2View
from parts.report import Section, ratio_at_most, times_less
from parts.rounds import Contender, interleave, tell
from parts.workspace import Unavailable

COMMAND = ("/bin/true",)
ROUNDS = 20
# The quick ones several times a round; the slow ones in every second.
BURST, SLOW = 5, 2


def measure(bench):
    tell("run: peers ")
    # Each round removes files, and all would find their making slower afterwards.
    with bench.on_fresh_filesystem() as fresh:
        return measured(fresh)


def measured(bench):
    service = bench.service
    root, lower = mounted_root(bench.workspace, bench.root_archive)
    removed = Contender("coracle", None)
    service.request("event/subscribe", {"kinds": ["container."]})

    def with_coracle():
        service.notifications.clear()
        start = time.monotonic_ns()
        request = service.send(
            "container/run", {"image": bench.image, "command": list(COMMAND), "network": "none", "autoRemove": True})
        seen = {}
        while "answer" not in seen or "container.removed" not in seen:
            message = service.receive()
            if message.get("id") == request:
                if message.get("result", {}).get("exit", {}).get("code") != 0:
                    raise Unavailable(f"container/run: {message}")
                seen["answer"] = time.monotonic_ns()
            elif message.get("method") == "event/occurred":
                seen.setdefault(message["params"]["kind"], time.monotonic_ns())
        removed.samples.append((max(seen["answer"], seen["container.removed"]) - start) / 1e9)
        return (seen["container.exited"] - start) / 1e9

    contenders = [Contender("coracle", with_coracle, repeats=BURST)]
    for name, make, tree in (("floor", kernel_floor, lower), ("crun", crun, root), ("bwrap", bubblewrap, root)):
        once = bench.attempt(name, make, bench, tree)
        if once is not None:
            contenders.append(Contender(name, once, repeats=BURST))
    for peer in bench.peers:
        def with_peer(peer=peer):
            return processes.seconds_of(peer.run_command(*COMMAND), peer.environment, bench.log)
        contenders.append(Contender(peer.name, with_peer, every=SLOW))

    tell("run: measuring ")
    succeeded, failures = interleave(contenders, bench.rounds or ROUNDS)
    bench.skip_all(failures)
    samples = {contender.name: contender.samples for contender in succeeded}
    if "coracle" not in samples:
        raise Unavailable(failures["coracle"])
    return [report(samples, removed.samples[BURST:])]


def kernel_floor(bench, lower):
    compiled = floor.container_floor(bench.workspace)
    return lambda: floor.container_seconds(compiled, bench.workspace, lower, COMMAND)


def crun(bench, root):
    """On the configuration that coracle itself wrote for such a container."""
    made = bench.service.request(
        "container/create", {"image": bench.image, "command": list(COMMAND), "network": "none"})["container"]["id"]
    described = bench.service.request("container/inspect", {"container": made})
    directory = bundle(bench.workspace, described["runtimeConfigPath"], root, COMMAND)
    # It stays: the configuration binds files of its directory.
    view, state = CgroupV2View(bench.workspace), bench.workspace.run_directory("crun")
    return lambda: view.seconds_of(runtimes.crun(directory, state, "bench"), log=bench.log)


def bubblewrap(bench, root):
    command = runtimes.bubblewrap(root, COMMAND)
    return lambda: processes.seconds_of(command, log=bench.log)


def report(samples, removed):
    section = Section("container/run of /bin/true to its exit event, warm, no network", "ms")
    section.subject("coracle", samples["coracle"])
    section.peer("coracle, until it is removed", removed)
    for name, label, target in (
        ("floor", "kernel's share (floor.c)", ratio_at_most(1.5)),
        ("crun", "crun run, same configuration", ratio_at_most(0.7)),
        ("bwrap", "bwrap", None),
        ("docker", "docker run --rm", times_less(30)),
        ("podman", "podman run --rm", times_less(15)),
    ):
        if name in samples:
            section.peer(label, samples[name], target)
    return section
