"""A gigabyte of a container's output, from the start of the container until its client has read the last byte."""

import os
import subprocess
import time

from parts.report import Section, at_most
from parts.rounds import Contender, interleave, tell
from parts.workspace import Unavailable

# The others take a minute for it: once, for the comparison.
ROUNDS, SLOW = 3, 3
BLOCK = 1 << 20
BLOCKS = 954
BYTES = BLOCK * BLOCKS
BYTES_PER_SECOND = 200_000_000
LINE = "0123456789 abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXY"
COMMAND = (
    "/bin/sh", "-c",
    f"yes '{LINE}' | head -c {BLOCK} > /tmp/block; n=0; while [ $n -lt {BLOCKS} ]; do cat /tmp/block; n=$((n + 1)); done")


def measure(bench):
    tell("output: peers ")
    service = bench.service

    def with_coracle():
        start = time.monotonic()
        request = service.send(
            "container/run",
            {
                "image": bench.image, "command": list(COMMAND), "network": "none", "autoRemove": True,
                "streams": {"stdout": "output", "initialCredit": 1 << 40},
            })
        carried, lines = 0, 0
        while True:
            message = service.line()
            # Most of the messages are stream data, which nobody is to be slowed down by reading for good.
            if message.startswith(PIECE):
                carried += len(message) - message.index(b'"data":"')
                lines += 1
            elif message.startswith(b'{"jsonrpc":"2.0","id":%d,' % request):
                break
        taken = time.monotonic() - start
        if not BYTES <= carried <= BYTES * 1.1:
            raise Unavailable(f"container/run: {carried} bytes in {lines} messages: {message[:200]}")
        return taken

    contenders = [Contender("coracle", with_coracle)]
    for peer in bench.peers:
        def with_peer(peer=peer):
            return drained(peer.run_command(*COMMAND), peer.environment)
        contenders.append(Contender(peer.name, with_peer, every=SLOW))

    tell("output: measuring ")
    measured, failures = interleave(contenders, bench.rounds or ROUNDS, warm_up=False)
    bench.skip_all(failures)
    samples = {contender.name: contender.samples for contender in measured}
    if "coracle" not in samples:
        raise Unavailable(failures["coracle"])
    section = Section(f"{BYTES / 1e9:.0f} GB of output through container/run, to the last byte at its client", "s")
    section.subject("coracle", samples["coracle"], at_most(BYTES / BYTES_PER_SECOND))
    for peer in bench.peers:
        if peer.name in samples:
            section.peer(f"{peer.name} run", samples[peer.name])
    return [section]


PIECE = b'{"jsonrpc":"2.0","method":"stream/data"'


def drained(command, environment):
    start = time.monotonic()
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        count = 0
        while piece := os.read(process.stdout.fileno(), 1 << 20):
            count += len(piece)
    if process.returncode != 0 or count != BYTES:
        raise Unavailable(f"{command[0]} ended with {process.returncode} after {count} bytes")
    return time.monotonic() - start
