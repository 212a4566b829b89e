"""Where a run of the benchmark keeps its files, and how it clears up after itself."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import threading


class Unavailable(Exception):
    """Something that is measured beside Coracle is missing here, or does not run here; the message says why."""


def program(name, package=None):
    """The path of a program on PATH."""
    path = shutil.which(name)
    if path is None:
        raise Unavailable(f"{name} is not installed" + (f" (Debian's {package})" if package else ""))
    return path


class Workspace(contextlib.ExitStack):
    """A temporary directory. What is registered on it is undone in reverse order, after a failure or Ctrl-C too."""

    def __init__(self, parent):
        super().__init__()
        self.path = tempfile.mkdtemp(prefix="coracle-bench-", dir=parent)
        os.chmod(self.path, 0o755)
        self.callback(self._remove)
        self._lock = threading.Lock()
        self._count = 0

    def _remove(self):
        # What an engine left mounted below would stand in the way of the removal, or be emptied by it.
        with open("/proc/self/mounts") as file:
            mounts = [line.split()[1] for line in file if line.split()[1].startswith(self.path + "/")]
        for mount in reversed(mounts):
            subprocess.run(["umount", "--lazy", mount], stderr=subprocess.DEVNULL)
        shutil.rmtree(self.path, ignore_errors=True)

    def directory(self, name):
        """A new empty directory."""
        with self._lock:
            self._count += 1
            path = os.path.join(self.path, f"{self._count}-{name}")
        os.mkdir(path)
        return path

    def run_directory(self, name):
        """A new empty directory where daemons keep what lasts until the next start: /run, a tmpfs, and ours alone (isolation)."""
        path = tempfile.mkdtemp(prefix=f"{name}-", dir="/run")
        self.callback(shutil.rmtree, path, ignore_errors=True)
        return path

    @contextlib.contextmanager
    def fresh_filesystem(self, gibibytes=4):
        """An ext4 that nothing was ever deleted from, on a loop device.

        ext4 steps over each inode deleted in the last minutes before it makes a file, so an unpack right after a removal
        is far slower than the first one. The device does direct I/O, as a disk does: else all data would lie in the page
        cache twice, and a flush would write out what the device has taken meanwhile before it takes more.
        """
        directory = self.directory("filesystem")
        image = directory + ".ext4"
        try:
            with open(image, "wb") as file:
                file.truncate(gibibytes << 30)
            # Nothing is left for the kernel to initialise in the background while something is measured.
            options = "lazy_itable_init=0,lazy_journal_init=0"
            _check(["mkfs.ext4", "-q", "-F", "-E", options, image])
            device = _check(["losetup", "--direct-io=on", "--find", "--show", image])
            _check(["mount", device, directory])
            _check(["losetup", "--detach", device])
            os.rmdir(os.path.join(directory, "lost+found"))
            os.sync()
            try:
                yield directory
            finally:
                # Lazily where something still holds it: the namespace's end takes it away for good.
                if subprocess.run(["umount", "-R", directory], stderr=subprocess.DEVNULL).returncode != 0:
                    subprocess.run(["umount", "-R", "-l", directory])
        finally:
            if os.path.exists(image):
                os.unlink(image)


def _check(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise Unavailable(f"{' '.join(command)}: {done.stdout.strip()}")
    return done.stdout.strip()
