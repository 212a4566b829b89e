"""Coracle as it was built, where every user can reach it, and an ordinary user to run it as."""

import os
import shutil
import subprocess
import sys

from .workspace import Unavailable, program

USER, NAME, SUBORDINATE = 60606, "coracle-bench", 1_000_000_000


class Installation:
    """`coracle` with its sibling programs."""

    def __init__(self, workspace, build):
        for name in ("coracle", "coracle-shim", "coracle-runtime"):
            if not os.access(os.path.join(build, name), os.X_OK):
                sys.exit(f"{build} has no {name}: run `make bench`, or build it with `make`")
        # The checkout may lie below a directory that other users cannot enter.
        directory = workspace.directory("installation")
        subprocess.run(["mount", "--bind", build, directory], check=True)
        self.coracle = os.path.join(directory, "coracle")
        self.runtime = os.path.join(directory, "coracle-runtime")


def make_user(workspace):
    """The uid of a user with subordinate ids, who exists in our mount namespace only."""
    program("newuidmap", "uidmap")
    with open("/etc/passwd") as file:
        # Another measure has made it.
        if any(line.startswith(f"{NAME}:") for line in file):
            return USER
    for path, line in (
        ("/etc/passwd", f"{NAME}:x:{USER}:{USER}::{workspace.path}:/bin/sh"),
        ("/etc/group", f"{NAME}:x:{USER}:"),
        ("/etc/subuid", f"{NAME}:{SUBORDINATE}:65536"),
        ("/etc/subgid", f"{NAME}:{SUBORDINATE}:65536"),
    ):
        if not os.path.exists(path):
            raise Unavailable(f"there is no {path} (Debian's uidmap)")
        copy = os.path.join(workspace.directory("etc"), os.path.basename(path))
        shutil.copy(path, copy)
        with open(copy, "a") as file:
            file.write(line + "\n")
        subprocess.run(["mount", "--bind", copy, path], check=True)
    return USER
