"""A service with nothing to do: how soon it answers, and what it holds."""

import time

from parts import processes
from parts.installation import make_user
from parts.report import Section, at_most
from parts.rounds import Contender, interleave, tell
from parts.service import Service

ROUNDS = 10
SETTLED_SECONDS = 1
ANSWER_LIMIT = 0.050
RESIDENT_LIMIT = 40 << 20


def measure(bench):
    tell("idle: measuring ")
    users = {"root": None}
    other = bench.attempt("coracle as an ordinary user", make_user, bench.workspace)
    if other is not None:
        users["an ordinary user"] = other
    contenders, resident = [], {}
    for name, user in users.items():
        store, run = bench.store_in(bench.workspace.directory("idle"), user)
        resident[name] = []
        contenders.append(Contender(name, lambda place=(store, run, user), sizes=resident[name]: once(bench, place, sizes)))
    # The first start of each makes its store, and is not counted.
    measured, failures = interleave(contenders, bench.rounds or ROUNDS)
    bench.skip_all({f"coracle as {name}": reason for name, reason in failures.items()})

    answers = Section("coracle serve: from its start to the answer to initialize", "ms")
    memory = Section(f"coracle serve: resident after initialize and {SETTLED_SECONDS} s", "MiB")
    for contender in measured:
        answers.subject(f"as {contender.name}", contender.samples, at_most(ANSWER_LIMIT))
        memory.subject(f"as {contender.name}", resident[contender.name][1:], at_most(RESIDENT_LIMIT))
    for peer in bench.peers:
        if peer.name == "docker":
            memory.peer("dockerd and containerd", [sum(processes.resident_bytes(pid) for pid in peer.daemons())])
    return [answers, memory]


def once(bench, place, sizes):
    store, run, user = place
    with Service(bench.installation, store, run, user=user, log=bench.log) as service:
        taken = service.initialize()
        # A fixed time is what is asked for: the memory of a service that has settled.
        time.sleep(SETTLED_SECONDS)
        # As an ordinary user the service may be a child of what was started, in its user namespace.
        sizes.append(sum(processes.resident_bytes(pid) for pid in processes.descendants_of(service.pid)))
        return taken
