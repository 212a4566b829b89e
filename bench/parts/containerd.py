"""containerd beside us: a daemon with its own root, state and socket, and `ctr` as its client."""

import os
import subprocess
import time

from . import processes
from .workspace import Unavailable, program

CONFIGURATION = """
version = 2
root = "{root}/containerd"
state = "{scratch}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{scratch}/socket"
"""


class Containerd:
    name = "ctr"
    environment = None

    def __init__(self, workspace, root):
        """Starts a daemon whose content and snapshots are below `root`."""
        daemon, client = program("containerd", "containerd"), program("ctr", "containerd")
        scratch = workspace.directory("containerd")
        configuration = os.path.join(scratch, "config.toml")
        with open(configuration, "w") as file:
            file.write(CONFIGURATION.format(root=root, scratch=scratch))
        self._client = [client, "--address", f"{scratch}/socket"]
        self._log = os.path.join(scratch, "log")
        with open(self._log, "w") as log:
            self._process = subprocess.Popen(
                [daemon, "--config", configuration], cwd=scratch, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        workspace.callback(self.stop)
        self._wait_until_it_answers()

    def _wait_until_it_answers(self):
        deadline = time.monotonic() + 30
        while subprocess.run(
                self._client + ["images", "list"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0:
            if self._process.poll() is not None or time.monotonic() > deadline:
                with open(self._log, errors="replace") as file:
                    reason = file.read().strip()[-300:]
                self.stop()
                raise Unavailable(f"containerd does not start here: {reason}")
            time.sleep(0.05)

    def stop(self):
        processes.end(self._process)

    def pull_command(self, reference):
        return self._client + ["images", "pull", "--plain-http", reference]

    def remove_image_command(self, reference):
        # It collects what is garbage later, unless it is told to wait for that.
        return self._client + ["images", "rm", "--sync", reference]
