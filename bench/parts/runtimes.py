"""Commands that run a root file system without an engine: bubblewrap, and the OCI runtimes on a bundle."""

from .workspace import program


def bubblewrap(root, command):
    return [
        program("bwrap", "bubblewrap"), "--bind", root, "/", "--proc", "/proc", "--dev", "/dev", "--unshare-all",
        "--die-with-parent", *command,
    ]


def crun(bundle, state, name):
    """Without its cgroup manager, which refuses the hybrid cgroups of some machines; so it saves that time."""
    return [
        program("crun", "crun"), "--root", state, "--cgroup-manager=disabled", "run", "--bundle", bundle, name,
    ]


def runc(bundle, state, name):
    return [program("runc", "runc"), "--root", state, "run", "--bundle", bundle, name]
