"""Podman beside us: its own storage and configuration, and runc below it.

crun 1.8.1 refuses the hybrid cgroups of some machines with podman's cgroup manager; and podman asks for more open
files than a root without CAP_SYS_RESOURCE may give, so the limits are named here.
"""

import os
import tempfile

from . import processes
from .workspace import program

CONFIGURATION = """
[containers]
default_ulimits = ["nofile={limit}:{limit}", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
tmp_dir = "{scratch}/libpod"
"""


class Podman:
    name = "podman"

    def __init__(self, workspace, root):
        """Its images and containers are below `root`."""
        # It takes no run root of more than 50 characters. /run is ours alone: see isolation.
        scratch = tempfile.mkdtemp(prefix="podman-", dir="/run")
        program("runc", "runc")
        configuration = os.path.join(scratch, "containers.conf")
        with open(configuration, "w") as file:
            file.write(CONFIGURATION.format(limit=1024, scratch=scratch))
        self.environment = dict(os.environ, CONTAINERS_CONF=configuration, TMPDIR=root)
        self._command = [
            program("podman", "podman"), "--root", f"{root}/podman", "--runroot", f"{scratch}/run",
            "--storage-driver", "overlay",
        ]
        processes.output_of(self._command + ["info"], self.environment)

    @property
    def version(self):
        return processes.output_of(self._command + ["version", "--format", "{{.Client.Version}}"], self.environment)

    def load_root(self, archive):
        processes.output_of(self._command + ["import", "--quiet", archive, "bench"], self.environment)

    def pull_command(self, reference):
        return self._command + ["pull", "--quiet", "--tls-verify=false", reference]

    def remove_image_command(self, reference):
        return self._command + ["image", "rm", reference]

    def run_command(self, *command, network=("--network", "none")):
        return self._command + ["run", "--rm", *network, "bench", *command]

    def start_command(self, *command, network=("--network", "none")):
        return self._command + ["run", "--detach", *network, "bench", *command]

    def exec_command(self, name, *command):
        return self._command + ["exec", name, *command]

    def start(self, *command):
        """A running container: its name and the pid of its first process."""
        name = processes.output_of(self.start_command(*command), self.environment)
        pid = processes.output_of(self._command + ["inspect", "--format", "{{.State.Pid}}", name], self.environment)
        return name, int(pid)

    def remove(self, names):
        processes.output_of(self._command + ["rm", "--force", "--time", "0", *names], self.environment)
