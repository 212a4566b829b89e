"""One short container by an OCI runtime's command line: made from a bundle, run to its end and deleted."""

from measures.run import COMMAND
from parts import runtimes
from parts.bundle import bundle, mounted_root
from parts.cgroup2 import CgroupV2View
from parts.report import Section
from parts.rounds import Contender, interleave, tell
from parts.workspace import Unavailable

ROUNDS, BURST = 20, 3


def measure(bench):
    tell("runtime: the bundle ")
    root, _ = mounted_root(bench.workspace, bench.root_archive)
    made = bench.service.request(
        "container/create", {"image": bench.image, "command": list(COMMAND), "network": "none"})["container"]["id"]
    described = bench.service.request("container/inspect", {"container": made})
    directory = bundle(bench.workspace, described["runtimeConfigPath"], root, COMMAND)
    view = CgroupV2View(bench.workspace)

    def contender(name, command):
        return Contender(name, lambda: view.seconds_of(command, log=bench.log), repeats=BURST)

    state = bench.workspace.run_directory
    contenders = [
        contender(
            "coracle", runtimes.coracle_runtime(bench.installation.runtime, directory, state("runtime"), "bench"))]
    for name, command in (("crun", runtimes.crun), ("runc", runtimes.runc)):
        once = bench.attempt(name, command, directory, state(name), "bench")
        if once is not None:
            contenders.append(contender(name, once))

    tell("runtime: measuring ")
    measured, failures = interleave(contenders, bench.rounds or ROUNDS)
    bench.skip_all(failures)
    samples = {contender.name: contender.samples for contender in measured}
    if "coracle" not in samples:
        raise Unavailable(failures["coracle"])
    section = Section("coracle-runtime run of /bin/true from a bundle", "ms")
    section.subject("coracle", samples["coracle"])
    for name, label in (("crun", "crun run, same bundle"), ("runc", "runc run, same bundle")):
        if name in samples:
            section.peer(label, samples[name])
    return [section]
