"""iperf3 between a container and this machine: the client in the image, the server here, which also says how much arrived."""

import json
import os
import re
import subprocess
import tarfile
import time

from . import processes
from .busybox import root_archive
from .workspace import Unavailable, program

PORT = 5201
SECONDS = 2


def iperf_archive(workspace):
    """The busybox root with this machine's iperf3 and the libraries that it needs."""
    client = program("iperf3", "iperf3")
    found = {client: "usr/bin/iperf3"}
    for path in re.findall(r"(/\S+) \(0x", processes.output_of(["ldd", client])):
        found[os.path.realpath(path)] = path.lstrip("/")
    path = root_archive(workspace)
    with tarfile.open(path, "a", format=tarfile.USTAR_FORMAT) as archive:
        for source, name in found.items():
            archive.add(source, name)
    return path


def client_command(address):
    return ("/usr/bin/iperf3", "--client", address, "--port", str(PORT), "--time", str(SECONDS))


def bits_per_second(run):
    """What reaches a server on this machine while `run` lets one client send to it."""
    server = subprocess.Popen(
        [program("iperf3", "iperf3"), "--server", "--one-off", "--json", "--port", str(PORT)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        _wait_until_it_listens(server)
        run()
        said, _ = server.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        raise Unavailable("iperf3's server has heard nothing") from None
    finally:
        processes.end(server)
    answer = json.loads(said)
    if "error" in answer:
        raise Unavailable(f"iperf3: {answer['error']}")
    return answer["end"]["sum_received"]["bits_per_second"]


def _wait_until_it_listens(server):
    # To connect would be its one client.
    wanted = f":{PORT:04X} "
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and server.poll() is None:
        for table in ("/proc/net/tcp", "/proc/net/tcp6"):
            with open(table) as file:
                if any(wanted in line.split(" 0A ")[0] for line in file if " 0A " in line):
                    return
        time.sleep(0.01)
    raise Unavailable("iperf3's server does not start")
