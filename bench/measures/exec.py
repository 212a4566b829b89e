"""One short command in a container that runs, from the request to its answer."""

import time

from measures.run import COMMAND
from parts import processes, runtimes
from parts.bundle import bundle, mounted_root
from parts.cgroup2 import CgroupV2View
from parts.report import Section, ratio_at_most
from parts.rounds import Contender, interleave, tell
from parts.workspace import Unavailable

ROUNDS = 20
BURST, SLOW = 5, 2
STAYS = ("/bin/sleep", "1000")


def measure(bench):
    tell("exec: the containers ")
    service = bench.service
    made = service.request(
        "container/run", {"image": bench.image, "command": list(STAYS), "network": "none", "detach": True})["container"]
    bench.workspace.callback(service.request, "container/remove", {"container": made["id"], "force": True})

    def with_coracle():
        start = time.monotonic_ns()
        answer = service.request("container/exec", {"container": made["id"], "command": list(COMMAND)})
        taken = (time.monotonic_ns() - start) / 1e9
        if answer["exit"]["code"] != 0:
            raise Unavailable(f"container/exec: {answer}")
        return taken

    contenders = [Contender("coracle", with_coracle, repeats=BURST)]
    once = bench.attempt("crun", crun, bench, made["id"])
    if once is not None:
        contenders.append(Contender("crun", once, repeats=BURST))
    for peer in bench.peers:
        name, _ = peer.start(*STAYS)
        bench.workspace.callback(peer.remove, [name])

        def with_peer(peer=peer, name=name):
            return processes.seconds_of(peer.exec_command(name, *COMMAND), peer.environment, bench.log)
        contenders.append(Contender(peer.name, with_peer, every=SLOW))

    tell("exec: measuring ")
    measured, failures = interleave(contenders, bench.rounds or ROUNDS)
    bench.skip_all(failures)
    samples = {contender.name: contender.samples for contender in measured}
    if "coracle" not in samples:
        raise Unavailable(failures["coracle"])
    section = Section("container/exec of /bin/true, from the request to its answer", "ms")
    section.subject("coracle", samples["coracle"])
    for name, label, target in (
        ("crun", "crun exec", ratio_at_most(0.7)), ("docker", "docker exec", None), ("podman", "podman exec", None),
    ):
        if name in samples:
            section.peer(label, samples[name], target)
    return [section]


def crun(bench, container):
    """In a container of its own, on the configuration that coracle wrote for such a one."""
    described = bench.service.request("container/inspect", {"container": container})
    root, _ = mounted_root(bench.workspace, bench.root_archive)
    directory = bundle(bench.workspace, described["runtimeConfigPath"], root, STAYS)
    view, state = CgroupV2View(bench.workspace), bench.workspace.run_directory("crun")
    view.seconds_of(runtimes.crun_detached(directory, state, "bench"), log=bench.log)
    bench.workspace.callback(view.seconds_of, runtimes.crun_delete(state, "bench"), None, bench.log)
    return lambda: view.seconds_of(runtimes.crun_exec(state, "bench", COMMAND), log=bench.log)
