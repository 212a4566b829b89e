"""Processes: how long one takes, how to end a daemon, what one holds in memory."""

import os
import signal
import subprocess
import time

from .workspace import Unavailable


def seconds_of(command, environment=None, log=None):
    """From posix_spawn to wait, in seconds. What the program costs to start is part of what its users wait for."""
    environment = dict(os.environ if environment is None else environment)
    output = log or "/dev/null"
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, output, flags, 0o644),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    said_before = os.path.getsize(log) if log and os.path.exists(log) else 0
    start = time.monotonic_ns()
    pid = os.posix_spawn(command[0], command, environment, file_actions=actions)
    try:
        _, status = os.waitpid(pid, 0)
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    end = time.monotonic_ns()
    if status != 0:
        raise Unavailable(f"{' '.join(command)} failed" + _tail(log, said_before))
    return (end - start) / 1e9


def output_of(command, environment=None):
    """What a program prints; its failure makes what it belongs to unavailable."""
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise Unavailable(f"{' '.join(command)}: {done.stderr.strip()[-300:]}")
    return done.stdout.strip()


def end(process, timeout=20):
    """Ends a daemon of ours, by its pid, and waits for it."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def parent_of(pid):
    return int(_field(f"/proc/{pid}/status", "PPid"))


def name_of(pid):
    with open(f"/proc/{pid}/comm") as file:
        return file.read().strip()


def proportional_bytes(pid):
    """PSS: shared pages count by the share of each process that maps them."""
    return int(_field(f"/proc/{pid}/smaps_rollup", "Pss")) * 1024


def resident_bytes(pid):
    return int(_field(f"/proc/{pid}/status", "VmRSS")) * 1024


def peak_bytes(pid):
    """The most that a process and those below it ever had resident, as if all had their peaks at once."""
    return sum(int(_field(f"/proc/{one}/status", "VmHWM")) * 1024 for one in descendants_of(pid))


def cpu_seconds(apart_from):
    """User and system time of all processes in this namespace, the reaped ones' included, so that two differ by what
    was spent between. Not counted are this process and a peer's server, `apart_from`, both of which serve all alike."""
    ticks = 0
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == apart_from:
            continue
        try:
            with open(f"/proc/{entry}/stat") as file:
                # After the name, which may hold anything, the 12th and 13th are its own, then two of its children.
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue  # its parent has its time now
        ticks += sum(int(field) for field in fields[13 if int(entry) == os.getpid() else 11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def descendants_of(pid):
    """The process ids below a process, itself included."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                children.setdefault(parent_of(entry), []).append(int(entry))
            except OSError:
                pass  # it has just ended
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        waiting += children.get(one, [])
    return found


def _field(path, name):
    with open(path) as file:
        for line in file:
            if line.startswith(name + ":"):
                return line.split()[1]
    raise OSError(f"{path} has no {name}")


def _tail(log, offset):
    """The end of what one command has said in a log that it shares with others."""
    if log is None:
        return ""
    with open(log, "rb") as file:
        file.seek(offset)
        return ": " + file.read().decode(errors="replace").strip()[-300:]
