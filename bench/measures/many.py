"""Fifty containers, started eight at a time and removed again; and the events of a thousand short ones."""

import shlex
import time

from parts import processes, runtimes
from parts.bundle import bundle, mounted_root
from parts.cgroup2 import CgroupV2View
from parts.report import Section, ratio_at_most
from parts.rounds import Contender, interleave, tell
from parts.workspace import Unavailable, program

COUNT, AT_ONCE = 50, 8
ROUNDS, SLOW = 5, 5
SHORT = 1000
STAYS = ("/bin/sleep", "1000")


def measure(bench):
    tell("many: peers ")
    # What is measured removes files, each round those of hundreds of containers, which all would find slower afterwards.
    with bench.on_fresh_filesystem() as fresh:
        return measured(fresh)


def measured(bench):
    removals = {}

    def taking(name, start, remove):
        """Starts them and removes them; the second time is kept beside the first."""
        removals[name] = []

        def once():
            begin = time.monotonic_ns()
            started = start()
            middle = time.monotonic_ns()
            remove(started)
            removals[name].append((time.monotonic_ns() - middle) / 1e9)
            return (middle - begin) / 1e9
        return once

    contenders = [Contender("coracle", taking("coracle", *coracle(bench)))]
    pair = bench.attempt("crun", crun, bench)
    if pair is not None:
        contenders.append(Contender("crun", taking("crun", *pair)))
    for peer in bench.peers:
        contenders.append(Contender(peer.name, taking(peer.name, *engine(bench, peer)), every=SLOW))
    tell("many: measuring ")
    measured, failures = interleave(contenders, bench.rounds or ROUNDS, warm_up=False)
    bench.skip_all(failures)
    starts = {contender.name: contender.samples for contender in measured}
    if "coracle" not in starts:
        raise Unavailable(failures["coracle"])
    sections = []
    for title, samples in (("started", starts), ("removed", removals)):
        section = Section(f"{COUNT} containers {title}, {AT_ONCE} at a time", "ms")
        section.subject("coracle", samples["coracle"])
        for name, label in (("crun", "crun run --detach" if title == "started" else "crun delete --force"),
                            ("docker", "docker"), ("podman", "podman")):
            if name in starts:
                target = ratio_at_most(2 if title == "started" else 1) if name == "crun" else None
                section.peer(label, samples[name], target)
        sections.append(section)
    return [*sections, events(bench)]


def coracle(bench):
    service = bench.service

    def pipelined(method, each):
        """Requests with so many under way at once; their results in order."""
        waiting, results, rest = [], [], list(each)
        while rest or waiting:
            while rest and len(waiting) < AT_ONCE:
                waiting.append(service.send(method, rest.pop(0)))
            results.append(service.answer_any(waiting))
        return results

    def start():
        one = {"image": bench.image, "command": list(STAYS), "network": "none", "detach": True}
        return [result["container"]["id"] for result in pipelined("container/run", [one] * COUNT)]

    def remove(ids):
        pipelined("container/remove", [{"container": one, "force": True} for one in ids])

    return start, remove


def crun(bench):
    """Each in a bundle of its own, since each has a root of its own to mount."""
    made = bench.service.request(
        "container/create", {"image": bench.image, "command": list(STAYS), "network": "none"})["container"]["id"]
    described = bench.service.request("container/inspect", {"container": made})
    root, _ = mounted_root(bench.workspace, bench.root_archive)
    directory = bundle(bench.workspace, described["runtimeConfigPath"], root, STAYS)
    view, state = CgroupV2View(bench.workspace), bench.workspace.run_directory("crun")
    names = [f"many-{number}" for number in range(COUNT)]

    def all_of(command):
        # The name is what xargs gives the shell as its $0.
        line = shlex.join(command("NAME")).replace("NAME", '"$0"')
        script = f"printf '%s\\n' {' '.join(names)} | xargs --max-procs {AT_ONCE} --max-args 1 sh -c {shlex.quote(line)}"
        view.seconds_of([program("sh"), "-c", script], log=bench.log)

    def start():
        all_of(lambda name: runtimes.crun_detached(directory, state, name))

    def remove(_):
        all_of(lambda name: runtimes.crun_delete(state, name))

    return start, remove


def engine(bench, peer):
    def start():
        command = " ".join(shlex.quote(word) for word in peer.start_command(*STAYS))
        script = f"seq {COUNT} | xargs --max-procs {AT_ONCE} --replace sh -c {shlex.quote(command)}"
        return processes.output_of([program("sh"), "-c", script], peer.environment).split()

    return start, peer.remove


def events(bench):
    """Complete and in order: for each of many short containers created, started, exited, removed, and nothing twice."""
    service = bench.service
    subscription = service.request("event/subscribe", {"kinds": ["container."]})["subscription"]
    service.notifications.clear()
    one = {"image": bench.image, "command": ["/bin/true"], "network": "none", "autoRemove": True}
    begin = time.monotonic_ns()
    waiting, done, seen = [], 0, {}

    def take(message):
        parameters = message.get("params", {})
        if message.get("method") == "event/occurred" and parameters["subscription"] == subscription:
            seen.setdefault(parameters["subject"], []).append(parameters["kind"].removeprefix("container."))

    while done < SHORT:
        while len(waiting) < AT_ONCE and done + len(waiting) < SHORT:
            waiting.append(service.send("container/run", one))
        service.answer_any(waiting)
        done += 1
        for message in service.notifications:
            take(message)
        service.notifications.clear()
    while sum(kinds[-1] == "removed" for kinds in seen.values()) < SHORT:
        take(service.receive())
    taken = (time.monotonic_ns() - begin) / 1e9
    service.request("event/unsubscribe", {"subscription": subscription})
    whole = ["created", "started", "exited", "removed"]
    wrong = [kinds for kinds in seen.values() if kinds != whole]
    if wrong or len(seen) != SHORT:
        raise Unavailable(f"{len(seen)} containers with events, {len(wrong)} not whole, such as {wrong[:1]}")
    section = Section(f"{SHORT} short containers, {AT_ONCE} at a time, with their {4 * SHORT} events, each once and in order", "s")
    section.subject("coracle", [taken])
    return section
