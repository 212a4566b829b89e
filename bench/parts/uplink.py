"""A way to the outside for the benchmark's network: another network at the other end of a link. Nothing leaves this machine."""

import contextlib
import os
import subprocess

ADDRESS = "192.0.2.1"


def make_uplink(workspace):
    """This side has the address ADDRESS, and its default route leads to the other one."""
    # A process that only is there, in a network of its own.
    other = subprocess.Popen(["unshare", "--net", "sleep", "infinity"], stdin=subprocess.DEVNULL)
    workspace.callback(_end, other)
    _wait_until_it_is_apart(other.pid)
    inside = ["nsenter", "--net", "--target", str(other.pid)]
    for command in (
        ["ip", "link", "add", "uplink", "type", "veth", "peer", "name", "up0", "netns", str(other.pid)],
        ["ip", "address", "add", f"{ADDRESS}/24", "dev", "uplink"],
        ["ip", "link", "set", "uplink", "up"],
        [*inside, "ip", "address", "add", "192.0.2.2/24", "dev", "up0"],
        [*inside, "ip", "link", "set", "up0", "up"],
        ["ip", "route", "add", "default", "via", "192.0.2.2"],
    ):
        subprocess.run(command, check=True)


def _wait_until_it_is_apart(pid):
    own = os.readlink("/proc/self/ns/net")
    while True:
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{pid}/ns/net") != own:
                return


def _end(process):
    process.kill()
    process.wait()
