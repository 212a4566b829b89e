"""What all measures share: one registry, one service, one set of peers, made when the first of them asks."""

import contextlib
import functools
import os

from .busybox import root_archive
from .docker import Docker
from .installation import Installation
from .podman import Podman
from .registry import Registry
from .service import Service
from .workspace import Unavailable, Workspace

IMAGE = "bench:1"


class Bench:
    def __init__(self, workspace, build, cache, rounds):
        self.workspace, self.build, self.cache, self.rounds = workspace, build, cache, rounds
        self.installation = Installation(workspace, build)
        self.image = IMAGE
        self.log = os.path.join(workspace.path, "log")
        self.skipped = []

    @functools.cached_property
    def registry(self):
        return Registry(self.workspace)

    @functools.cached_property
    def root_archive(self):
        return root_archive(self.workspace)

    @functools.cached_property
    def service(self):
        """A session of coracle with the busybox image in its store."""
        store, run = self.store_in(self.workspace.directory("coracle"))
        service = Service(self.installation, store, run, log=self.log)
        self.workspace.callback(service.close)
        service.initialize()
        service.request("image/import", {"path": self.root_archive, "reference": IMAGE})
        return service

    @functools.cached_property
    def peers(self):
        """The engines that run here, each with the same busybox image."""
        found = []
        for engine in (Docker, Podman):
            peer = self.attempt(engine.name, engine, self.workspace, self.workspace.directory(engine.name + "-data"))
            if peer is not None and self.attempt(engine.name, lambda: peer.load_root(self.root_archive) or True):
                found.append(peer)
        return found

    @contextlib.contextmanager
    def on_fresh_filesystem(self):
        """The same with a service and peers of its own, on a file system that nothing was ever deleted from."""
        with self.workspace.fresh_filesystem() as disk, Workspace(disk) as workspace:
            bench = Bench(workspace, self.build, self.cache, self.rounds)
            bench.log, bench.skipped = self.log, self.skipped
            yield bench

    def store_in(self, directory, user=None):
        """The paths of a store and a run directory, which the service makes; both the user's."""
        os.chmod(directory, 0o755)
        run = self.workspace.run_directory("coracle")
        os.chmod(run, 0o755)
        if user is not None:
            os.chown(directory, user, user)
            os.chown(run, user, user)
        return os.path.join(directory, "store"), os.path.join(run, "run")

    def attempt(self, name, make, *arguments):
        """What `make` answers, or None after noting why it could not."""
        try:
            return make(*arguments)
        except Unavailable as reason:
            self.skip(name, str(reason))
            return None

    def skip(self, name, reason):
        if (name, reason) not in self.skipped:
            self.skipped.append((name, reason))

    def skip_all(self, reasons):
        for name, reason in reasons.items():
            self.skip(name, reason)
