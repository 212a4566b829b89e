"""Commands that run a root file system without an engine: bubblewrap, and the OCI runtimes on a bundle."""

from .workspace import program


def bubblewrap(root, command):
    return [
        program("bwrap", "bubblewrap"), "--bind", root, "/", "--proc", "/proc", "--dev", "/dev", "--unshare-all",
        "--die-with-parent", *command,
    ]


def _crun(state, command, *rest):
    """Without its cgroup manager, which refuses the hybrid cgroups of some machines; so it saves that time."""
    return [program("crun", "crun"), "--root", state, "--cgroup-manager=disabled", command, *rest]


def crun(bundle, state, name):
    return _crun(state, "run", "--bundle", bundle, name)


def crun_detached(bundle, state, name):
    return _crun(state, "run", "--detach", "--bundle", bundle, name)


def crun_exec(state, name, command):
    return _crun(state, "exec", name, *command)


def crun_delete(state, name):
    return _crun(state, "delete", "--force", name)


def coracle_runtime(runtime, bundle, state, name):
    return [runtime, "--root", state, "run", "--bundle", bundle, name]


def runc(bundle, state, name):
    return [program("runc", "runc"), "--root", state, "run", "--bundle", bundle, name]
