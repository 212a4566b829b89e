"""Docker beside us: a dockerd with its own data root, exec root and socket; without bridge and firewall rules unless those are
what is measured."""

import os
import subprocess
import time

from . import processes
from .workspace import Unavailable, program


class Docker:
    name = "docker"
    environment = None
    _builder = None

    def __init__(self, workspace, root, networks=False):
        """Starts a daemon whose data are below `root`."""
        daemon, client = program("dockerd", "docker.io"), program("docker", "docker.io")
        scratch = workspace.directory("docker")
        socket = f"unix://{scratch}/socket"
        self._client = [client, "--host", socket, "--config", f"{scratch}/client"]
        self._log = os.path.join(scratch, "log")
        without = ["--bridge", "none", "--iptables=false", "--ip-forward=false", "--ip-masq=false"]
        with open(self._log, "w") as log:
            # containerd, which dockerd starts and stops, is as private as it is.
            self._process = subprocess.Popen(
                [
                    daemon, "--host", socket, "--data-root", f"{root}/docker", "--exec-root", workspace.run_directory("docker"),
                    "--pidfile", f"{scratch}/pid", "--storage-driver", "overlay2",
                    "--exec-opt", "native.cgroupdriver=cgroupfs", *([] if networks else without),
                ],
                cwd=scratch, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        workspace.callback(self.stop)
        self._wait_until_it_answers()

    def _wait_until_it_answers(self):
        deadline = time.monotonic() + 30
        while subprocess.run(
                self._client + ["version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0:
            if self._process.poll() is not None or time.monotonic() > deadline:
                with open(self._log, errors="replace") as file:
                    reason = file.read().strip()[-300:]
                self.stop()
                raise Unavailable(f"dockerd does not start here: {reason}")
            time.sleep(0.05)

    @property
    def version(self):
        return processes.output_of(self._client + ["version", "--format", "{{.Server.Version}}"])

    def stop(self):
        processes.end(self._process)

    def load_root(self, archive):
        processes.output_of(self._client + ["import", archive, "bench"])

    def build_command(self, context, dockerfile, name, arguments, cached=True):
        """With BuildKit, for which `build_environment` is needed."""
        return [self._building_client(), *self._client[1:]] + [
            "build", "--quiet", "--network", "none", "--file", dockerfile, "--tag", name,
            *(f"--build-arg={argument}" for argument in arguments), *([] if cached else ["--no-cache"]), context,
        ]

    build_environment = dict(os.environ, DOCKER_BUILDKIT="1")

    def _building_client(self):
        """The first client on PATH that speaks to BuildKit: later ones do so only with the plugin buildx."""
        if self._builder is None:
            for directory in os.get_exec_path():
                client = os.path.join(directory, "docker")
                if os.access(client, os.X_OK) and subprocess.run(
                        [client, *self._client[1:], "build", "--help"], env=self.build_environment,
                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0:
                    self._builder = client
                    break
            else:
                raise Unavailable("no docker client here builds with BuildKit")
        return self._builder

    def pull_command(self, reference):
        return self._client + ["pull", "--quiet", reference]

    def remove_image_command(self, reference):
        return self._client + ["image", "rm", reference]

    def run_command(self, *command, network=("--network", "none")):
        return self._client + ["run", "--rm", *network, "bench", *command]

    def start_command(self, *command, network=("--network", "none")):
        return self._client + ["run", "--detach", *network, "bench", *command]

    def exec_command(self, name, *command):
        return self._client + ["exec", name, *command]

    def start(self, *command):
        """A running container: its name and the pid of its first process."""
        name = processes.output_of(self.start_command(*command))
        return name, int(processes.output_of(self._client + ["inspect", "--format", "{{.State.Pid}}", name]))

    def remove(self, names):
        processes.output_of(self._client + ["rm", "--force", *names])

    def daemons(self):
        """dockerd and its containerd."""
        shims = "containerd-shim"
        return [pid for pid in processes.descendants_of(self._process.pid) if not processes.name_of(pid).startswith(shims)]
