"""The smallest root file system that every engine takes: a static busybox and links to it."""

import os
import tarfile

from .workspace import program

APPLETS = ("sh", "true", "sleep")


def root_archive(workspace):
    """A tar archive of it, the same bytes each time."""
    path = os.path.join(workspace.directory("busybox"), "root.tar")
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name in ("bin", "dev", "etc", "proc", "sys", "tmp"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        with open(program("busybox", "busybox-static"), "rb") as file:
            entry = tarfile.TarInfo("bin/busybox")
            entry.mode, entry.size = 0o755, os.fstat(file.fileno()).st_size
            archive.addfile(entry, file)
        for name in APPLETS:
            entry = tarfile.TarInfo(f"bin/{name}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(entry)
    return path
