"""Networks: what one with a published port adds to a start, and how fast bytes come from a container to the machine."""

import os
import subprocess
import time

from parts import iperf, processes
from parts.docker import Docker
from parts.installation import make_user
from parts.podman import Podman
from parts.report import Section, at_most, ratio_at_least
from parts.rounds import Contender, interleave, tell
from parts.service import Service
from parts.uplink import ADDRESS, make_uplink
from parts.workspace import Unavailable, program

IMAGE = "iperf:1"
STAYS = ("/bin/sleep", "1000")
PUBLISHED = ("--publish", "80")
ROUNDS, BURST, SLOW = 10, 3, 2
CARRYING_ROUNDS = 7


def measure(bench):
    tell("network: peers ")
    make_uplink(bench.workspace)
    archive = iperf.iperf_archive(bench.workspace)
    bench.service.request("image/import", {"path": archive, "reference": IMAGE})
    peers = []
    for name, make in (("docker", with_bridge), ("podman", Podman)):
        peer = bench.attempt(name, make, bench.workspace, bench.workspace.directory(f"{name}-networks"))
        if peer is not None and bench.attempt(name, lambda: peer.load_root(archive) or True):
            peers.append(peer)
    sections = [starts(bench, peers), carried(bench, peers)]
    return [*sections, *ordinary(bench, archive)]


def with_bridge(workspace, root):
    return Docker(workspace, root, networks=True)


def starts(bench, peers):
    """Each sample is a start with, less a start without right before it."""
    tell("network: starts ")
    without = {}

    def beside(name, plain, full):
        without[name] = []

        def once():
            before = plain()
            without[name].append(before)
            return full() - before
        return once

    contenders = [Contender("coracle", beside("coracle", *coracle(bench.service)), repeats=BURST)]
    for peer in peers:
        def timed(network, peer=peer):
            begin = time.monotonic_ns()
            name = processes.output_of(peer.start_command(*STAYS, network=network), peer.environment)
            taken = (time.monotonic_ns() - begin) / 1e9
            peer.remove([name])
            return taken
        contenders.append(
            Contender(
                peer.name,
                beside(peer.name, lambda timed=timed: timed(("--network", "none")), lambda timed=timed: timed(PUBLISHED)),
                every=SLOW))
    samples = measured(bench, contenders, ROUNDS)
    section = Section("what a bridge network with one published port adds to a start", "ms")
    section.subject("coracle", samples["coracle"], at_most(0.010))
    for peer in peers:
        if peer.name in samples:
            section.peer(f"{peer.name} run --detach", samples[peer.name])
    for name, values in without.items():
        if name in samples:
            section.note(f"{name} without a network: {sorted(values)[len(values) // 2] * 1000:.1f} ms")
    return section


def coracle(service):
    def start(more):
        begin = time.monotonic_ns()
        made = service.request(
            "container/run", {"image": IMAGE, "command": list(STAYS), "detach": True, **more})["container"]["id"]
        taken = (time.monotonic_ns() - begin) / 1e9
        service.request("container/remove", {"container": made, "force": True})
        service.notifications.clear()
        return taken

    return lambda: start({"network": "none"}), lambda: start({"network": "bridge", "ports": [{"containerPort": 80}]})


def carried(bench, peers):
    tell("network: throughput ")
    command = iperf.client_command(ADDRESS)

    def by_coracle(bridge_filter):
        filter_bridges(bridge_filter)
        return iperf.bits_per_second(lambda: ran(bench.service, command))

    contenders = [
        Contender("coracle", lambda: by_coracle(False)), Contender("coracle beside dockerd", lambda: by_coracle(True))]
    for peer in peers:
        def with_peer(peer=peer):
            filter_bridges(peer.name == "docker")
            return iperf.bits_per_second(
                lambda: processes.output_of(peer.run_command(*command, network=()), peer.environment))
        contenders.append(Contender(peer.name, with_peer))
    samples = measured(bench, contenders, CARRYING_ROUNDS)
    section = Section("from a container to its machine by a bridge (iperf3, one stream)", "Gbit/s")
    section.subject("coracle", samples["coracle"])
    section.peer("coracle beside dockerd", samples["coracle beside dockerd"])
    section.note(
        "dockerd loads br_netfilter, and all bridges of its machine go through the packet filter then: that is on for docker and in"
        " the second row, and off in the others, as where no dockerd runs")
    for peer in peers:
        if peer.name in samples:
            section.peer(f"{peer.name}'s bridge", samples[peer.name], ratio_at_least(1) if peer.name == "docker" else None)
    return section


def filter_bridges(is_on):
    """Whether what bridges carry goes through the packet filter too, as dockerd wants it."""
    for name in ("bridge-nf-call-iptables", "bridge-nf-call-ip6tables"):
        path = f"/proc/sys/net/bridge/{name}"
        if os.path.exists(path):
            with open(path, "w") as file:
                file.write(f"{is_on:d}\n")


def ran(service, command):
    answer = service.request(
        "container/run", {"image": IMAGE, "command": list(command), "network": "bridge", "autoRemove": True}, timeout=30)
    service.notifications.clear()
    if answer["exit"]["code"] != 0:
        raise Unavailable(f"container/run: {answer}")


def ordinary(bench, archive):
    """The same of an ordinary user, beside podman's way and beside pasta with nothing around it."""
    user = bench.attempt("an ordinary user's networks", make_user, bench.workspace)
    if user is None:
        return []
    tell("network: an ordinary user ")
    # Who makes pasta's interface must be able to open it.
    mode = os.stat("/dev/net/tun").st_mode
    os.chmod("/dev/net/tun", 0o666)
    bench.workspace.callback(os.chmod, "/dev/net/tun", mode)
    store, run = bench.store_in(bench.workspace.directory("networks"), user)
    with Service(bench.installation, store, run, user=user, log=bench.log) as service:
        service.initialize()
        service.request("image/import", {"path": archive, "reference": IMAGE})
        command = iperf.client_command(ADDRESS)
        broken = {"coracle": [], "pasta": []}
        contenders = [
            Contender("coracle", unbroken(lambda: ran(service, command), broken["coracle"])),
            Contender("pasta", unbroken(lambda: by_pasta(user, command), broken["pasta"])),
        ]
        peer = bench.attempt("podman as an ordinary user", rootless_podman, bench, user, archive)
        if peer is not None:
            contenders.append(Contender("podman", lambda: iperf.bits_per_second(lambda: peer(command))))
        samples = measured(bench, contenders, CARRYING_ROUNDS)
    section = Section("from an ordinary user's container to its machine (iperf3, one stream)", "Gbit/s")
    section.subject("coracle", samples["coracle"])
    for name, label in (("podman", "podman, slirp4netns"), ("pasta", "pasta by itself")):
        if name in samples:
            section.peer(label, samples[name], ratio_at_least(1) if name == "podman" else None)
    for name, reasons in broken.items():
        if reasons:
            section.note(f"{name}: {len(reasons)} streams that pasta broke off were measured anew")
    return [section]


def unbroken(run, broken):
    """Pasta of Debian 12 dies of one stream in some hundred (ARCHITECTURE.md); such a sample is taken anew, and counted."""
    def once():
        for _ in range(3):
            try:
                return iperf.bits_per_second(run)
            except Unavailable as reason:
                broken.append(str(reason))
        raise Unavailable(broken[-1])
    return once


def by_pasta(user, command):
    """As podman uses it from version 4.4 on; but with another address than this machine's, which is the server's."""
    # It ends with its command, and what the client has said last would not reach the server.
    command = ["sh", "-c", '"$@" && sleep 0.3', "sh", *command]
    closed = [word for option in ("-t", "-u", "-T", "-U") for word in (option, "none")]
    own = ["--address", "169.254.77.2", "--netmask", "30", "--gateway", "169.254.77.1"]
    as_user(user, [program("pasta", "passt"), "--quiet", "--config-net", "--no-map-gw", *closed, *own, "--", *command])


def rootless_podman(bench, user, archive):
    program("slirp4netns", "slirp4netns")
    home = bench.workspace.directory("podman-user")
    os.chown(home, user, user)
    run = f"/run/podman-{user}"
    os.mkdir(run, 0o700)
    os.chown(run, user, user)
    configuration = os.path.join(home, "containers.conf")
    with open(configuration, "w") as file:
        file.write(
            '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]\n[engine]\nruntime = "runc"\n'
            'cgroup_manager = "cgroupfs"\nevents_logger = "file"\n')
    podman = [program("podman", "podman"), "--root", f"{home}/storage", "--runroot", f"{run}/storage"]
    environment = {
        "PATH": os.environ["PATH"], "HOME": home, "XDG_RUNTIME_DIR": run, "CONTAINERS_CONF": configuration, "TMPDIR": home}
    as_user(user, [*podman, "import", "--quiet", archive, "bench"], environment)
    return lambda command: as_user(
        user, [*podman, "run", "--rm", "--network", "slirp4netns", "bench", *command], environment)


def as_user(user, command, environment=None):
    try:
        done = subprocess.run(
            command, user=user, group=user, extra_groups=[], cwd="/", env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{command[0]} did not come to an end") from None
    if done.returncode != 0:
        raise Unavailable(f"{' '.join(command)}: {done.stdout.strip()[-300:]}")


def measured(bench, contenders, rounds):
    found, failures = interleave(contenders, bench.rounds or rounds)
    bench.skip_all(failures)
    samples = {contender.name: contender.samples for contender in found}
    if "coracle" not in samples:
        raise Unavailable(failures["coracle"])
    return samples
