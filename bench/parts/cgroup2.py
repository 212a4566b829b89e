"""Commands timed where nothing but cgroup v2 is in sight.

crun 1.8.1 refuses machines that have cgroup v1 and v2 side by side, even when it is told to manage none. A process with a
mount namespace of its own starts it for us, so that entering that namespace is no part of what is measured.
"""

import ctypes
import multiprocessing
import subprocess

from . import processes
from .isolation import CLONE_NEWNS
from .workspace import Unavailable


class CgroupV2View:
    """`seconds_of` as in processes, from inside. What was mounted before it was made is seen there too."""

    def __init__(self, workspace):
        context = multiprocessing.get_context("fork")
        self._ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs,), daemon=True)
        process.start()
        workspace.callback(process.join, 10)
        workspace.callback(self._ours.send, None)

    def seconds_of(self, command, environment=None, log=None):
        self._ours.send((command, environment, log))
        answer = self._ours.recv()
        if isinstance(answer, Unavailable):
            raise answer
        return answer


def _serve(pipe):
    try:
        ctypes.CDLL(None).unshare(CLONE_NEWNS)
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/sys/fs/cgroup"], check=True)
        subprocess.run(["mount", "-t", "cgroup2", "cgroup2", "/sys/fs/cgroup"], check=True)
        while (request := pipe.recv()) is not None:
            try:
                pipe.send(processes.seconds_of(*request))
            except Unavailable as reason:
                pipe.send(reason)
    except KeyboardInterrupt:
        pass  # the parent reports it
