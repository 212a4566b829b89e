"""An OCI bundle for a runtime: a coracle container's own configuration on an overlay of the same root."""

import json
import os
import subprocess
import tarfile


def mounted_root(workspace, archive):
    """An overlay over the unpacked archive, mounted once; and the directory below it."""
    lower, upper, work, merged = (workspace.directory(name) for name in ("lower", "upper", "work", "root"))
    with tarfile.open(archive) as tar:
        tar.extractall(lower)
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay", merged], check=True)
    return merged, lower


def bundle(workspace, configuration, root, command):
    """A bundle directory with the configuration of a container, on another root and with its own command."""
    with open(configuration) as file:
        spec = json.load(file)
    spec["root"]["path"] = root
    spec["process"]["args"] = list(command)
    spec.get("linux", {}).pop("cgroupsPath", None)
    directory = workspace.directory("bundle")
    with open(os.path.join(directory, "config.json"), "w") as file:
        json.dump(spec, file)
    return directory
