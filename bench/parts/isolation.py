"""A place of its own for the whole benchmark: new mount, network and process-id namespaces.

Peers keep state in /run and /dev/shm, listen on ports and leave daemons behind. Here all of that ends with the
benchmark, however it ends: the kernel takes mounts, loop devices, interfaces and processes away with the last namespace.
"""

import ctypes
import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys

CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x20000000, 0x40000000
PR_SET_PDEATHSIG = 1
SIOCSIFFLAGS, IFF_UP = 0x8914, 1


def enter():
    """Returns in a process inside; the callers outside wait for it and exit as it does. Needs root."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET) != 0:
        sys.exit(f"cannot make namespaces: {os.strerror(ctypes.get_errno())}")
    _stay_outside(libc)  # process 1 comes out of here
    _stay_as_first(libc)  # and here the one that does the work
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    signal.signal(signal.SIGHUP, lambda number, frame: sys.exit(128 + number))
    _set_up()


def _stay_outside(libc):
    child = os.fork()
    if child == 0:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        return
    _wait_for(child)


def _stay_as_first(libc):
    """Process 1 of the namespace reaps what loses its parent: monitors and shims."""
    child = os.fork()
    if child == 0:
        return
    _wait_for(child)


def _wait_for(child):
    # Ctrl-C reaches the whole group by itself; other signals are passed on.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: os.kill(child, number))
    while True:
        pid, status = os.wait()
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)


def _set_up():
    for command in (
        ["mount", "--make-rprivate", "/"],
        ["mount", "-t", "proc", "proc", "/proc"],
        ["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"],
        ["mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", "/dev/shm"],
    ):
        subprocess.run(command, check=True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        fcntl.ioctl(handle, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
