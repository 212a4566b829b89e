"""Buildah beside us: its own storage, and runc below it, for the reasons that podman.py gives."""

import os
import tempfile

from . import processes
from .podman import CONFIGURATION
from .workspace import program


class Buildah:
    name = "buildah"

    def __init__(self, workspace, root):
        """Its images and layers are below `root`."""
        scratch = tempfile.mkdtemp(prefix="buildah-", dir="/run")
        program("runc", "runc")
        configuration = os.path.join(scratch, "containers.conf")
        with open(configuration, "w") as file:
            file.write(CONFIGURATION.format(limit=1024, scratch=scratch))
        self.environment = dict(
            os.environ, CONTAINERS_CONF=configuration, TMPDIR=root, BUILDAH_RUNTIME="runc", BUILDAH_FORMAT="oci")
        self._command = [
            program("buildah", "buildah"), "--root", f"{root}/buildah", "--runroot", f"{scratch}/run",
            "--storage-driver", "overlay",
        ]
        processes.output_of(self._command + ["info"], self.environment)

    def load_root(self, archive):
        """Names an image that holds the archive's files as the one layer there is."""
        made = processes.output_of(self._command + ["from", "scratch"], self.environment)
        processes.output_of(self._command + ["add", "--quiet", made, archive, "/"], self.environment)
        processes.output_of(self._command + ["commit", "--quiet", "--rm", made, "bench"], self.environment)

    def build_command(self, context, dockerfile, name, arguments, cached=True):
        return self._command + [
            "bud", "--layers", "--quiet", "--network", "none", "--pull-never", "--file", dockerfile, "--tag", name,
            *(f"--build-arg={argument}" for argument in arguments), *([] if cached else ["--no-cache"]), context,
        ]
