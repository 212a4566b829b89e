"""Containers and their commands, for those who wait."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .container import AsyncContainer
from .generated import types
from .loop import LoopThread
from .process import AsyncProcess, Output
from .streams import IncomingStream


class Stream:
    """Bytes from a command, as an iterator of pieces."""

    def __init__(self, thread: LoopThread, stream: IncomingStream) -> None:
        self._thread, self._stream = thread, stream

    def __iter__(self) -> Iterator[bytes]:
        return self._thread.each(self._stream)

    def read(self) -> bytes:
        """All that comes until the end."""
        return self._thread.wait(self._stream.read())

    def lines(self) -> Iterator[str]:
        """Lines of text without their ends."""
        return self._thread.each(self._stream.lines())


class Process:
    """A command that runs, as a context manager; see `AsyncProcess`."""

    def __init__(self, thread: LoopThread, process: AsyncProcess) -> None:
        self._thread, self._process = thread, process

    def __enter__(self) -> Process:
        self._thread.wait(self._process.__aenter__())
        return self

    def __exit__(self, *reason: Any) -> None:
        self._thread.wait(self._process.__aexit__(*reason))

    @property
    def stdout(self) -> Stream:
        return Stream(self._thread, self._process.stdout)

    @property
    def stderr(self) -> Stream:
        return Stream(self._thread, self._process.stderr)

    def write(self, data: bytes | str) -> None:
        """Sends to its standard input, where that was asked for."""
        if self._process.stdin is None:
            raise BrokenPipeError("it was started without has_input=True")
        self._thread.wait(self._process.stdin.write(data))

    def close_input(self) -> None:
        """The end of its standard input."""
        if self._process.stdin:
            self._thread.run(self._process.stdin.close)

    def started(self) -> types.ContainerSummary:
        """The container that `run` has started, as soon as it has."""
        return self._thread.wait(self._process.started())

    def lines(self) -> Iterator[str]:
        """The lines of both outputs, in the order in which they come."""
        return self._thread.each(self._process.lines())

    def communicate(self, data: bytes | str | None = None) -> Output:
        """Writes its standard input, reads all that it writes, and waits for its end."""
        return self._thread.wait(self._process.communicate(data))

    def wait(self) -> types.ExitStatus | None:
        """How it ended. What it writes that nobody has read is dropped."""
        return self._thread.wait(self._process.wait())


class Container:
    """A container. As a context manager it is removed at the end, running or not."""

    def __init__(self, thread: LoopThread, container: AsyncContainer) -> None:
        self._thread, self._container = thread, container

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r})"

    def __enter__(self) -> Container:
        return self

    def __exit__(self, *reason: Any) -> None:
        self._thread.wait(self._container.__aexit__(*reason))

    @property
    def id(self) -> str:
        return self._container.id

    def inspect(self) -> types.ContainerInspectResult:
        """All that is known of it."""
        return self._thread.wait(self._container.inspect())

    def start(self) -> None:
        """Starts it, when it does not run."""
        self._thread.wait(self._container.start())

    def stop(self, *, timeout: float | None = None) -> types.ExitStatus:
        """Ends it gently, and after `timeout` seconds by force."""
        return self._thread.wait(self._container.stop(timeout=timeout))

    def kill(self, signal: str = "SIGKILL") -> None:
        """Sends a signal to its first process."""
        self._thread.wait(self._container.kill(signal))

    def remove(self, *, force: bool = False) -> None:
        """Removes it with its writable layer and its log."""
        self._thread.wait(self._container.remove(force=force))

    def wait(self, *, timeout: float | None = None) -> types.ExitStatus:
        """Waits for its end. Raises TimedOutError after `timeout` seconds."""
        return self._thread.wait(self._container.wait(timeout=timeout))

    def wait_until_healthy(self, *, timeout: float = 60) -> None:
        """Waits until its health check has succeeded."""
        self._thread.wait(self._container.wait_until_healthy(timeout=timeout))

    def wait_for_port(self, port: int, *, timeout: float = 60) -> None:
        """Waits until a TCP port takes connections in its network."""
        self._thread.wait(self._container.wait_for_port(port, timeout=timeout))

    def wait_for_log(self, pattern: str, *, timeout: float = 60) -> str:
        """Waits for a line of its output that contains a text, and answers it."""
        return self._thread.wait(self._container.wait_for_log(pattern, timeout=timeout))

    def exec(
        self,
        command: Sequence[str],
        *,
        input: bytes | str | None = None,
        check: bool = False,
        environment: Mapping[str, str] | None = None,
        working_directory: str | None = None,
        user: str | None = None,
    ) -> Output:
        """Runs one more command in it to its end. With `check`, raises CommandFailed for another exit code than 0."""
        return self._thread.wait(
            self._container.exec(
                command,
                input=input,
                check=check,
                environment=environment,
                working_directory=working_directory,
                user=user,
            )
        )

    def exec_stream(self, command: Sequence[str], *, has_input: bool = False) -> Process:
        """One more command in it, with its streams, as a context manager."""
        return Process(self._thread, self._container.exec_stream(command, has_input=has_input))

    def logs(self, *, tail: int | None = None) -> Output:
        """What it has written so far."""
        return self._thread.wait(self._container.logs(tail=tail))

    def follow_logs(self, *, tail: int | None = None) -> Process:
        """What it has written and writes, until it ends, as a context manager."""
        return Process(self._thread, self._container.follow_logs(tail=tail))

    def copy_in(self, source: str | os.PathLike[str], target: str) -> None:
        """Copies a file or a directory of this machine into the container; see `AsyncContainer.copy_in`."""
        self._thread.wait(self._container.copy_in(source, target))

    def write_file(self, path: str, data: bytes | str, *, mode: int = 0o644) -> None:
        """Makes a file in the container, or replaces it."""
        self._thread.wait(self._container.write_file(path, data, mode=mode))

    def copy_out(self, source: str, target: str | os.PathLike[str]) -> Path:
        """Copies a file or a directory of the container to this machine; see `AsyncContainer.copy_out`."""
        return self._thread.wait(self._container.copy_out(source, target))

    def read_file(self, path: str) -> bytes:
        """The content of a file in the container."""
        return self._thread.wait(self._container.read_file(path))
