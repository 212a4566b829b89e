"""A container, by name or id."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Awaitable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from . import archives
from .generated import types
from .generated.errors import NotFoundError
from .process import AsyncProcess, Output, checked
from .streams import IncomingStream, OutgoingStream

if TYPE_CHECKING:
    from .client import AsyncClient

T = TypeVar("T")


class AsyncContainer:
    """A container. As an asynchronous context manager it is removed at the end, running or not."""

    def __init__(self, client: AsyncClient, id: str) -> None:
        self._client = client
        self.id = id
        """Its whole id, or what it was named by."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r})"

    async def __aenter__(self) -> AsyncContainer:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.remove(force=True)
        except NotFoundError:
            pass

    async def inspect(self) -> types.ContainerInspectResult:
        """All that is known of it."""
        return await self._client.container.inspect(self.id)

    async def start(self) -> None:
        """Starts it, when it does not run."""
        await self._client.container.start(self.id)

    async def stop(self, *, timeout: float | None = None) -> types.ExitStatus:
        """Ends it gently, and after `timeout` seconds by force."""
        return (await self._client.container.stop(self.id, timeout_ms=milliseconds(timeout))).exit

    async def kill(self, signal: str = "SIGKILL") -> None:
        """Sends a signal to its first process."""
        await self._client.container.kill(self.id, signal=signal)

    async def remove(self, *, force: bool = False) -> None:
        """Removes it with its writable layer and its log."""
        await self._client.container.remove(self.id, force=force)

    async def wait(self, *, timeout: float | None = None) -> types.ExitStatus:
        """Waits for its end. Raises TimedOutError after `timeout` seconds."""
        answer = await self._client.container.wait(self.id, timeout_ms=milliseconds(timeout))
        assert answer.exit
        return answer.exit

    async def wait_until_healthy(self, *, timeout: float = 60) -> None:
        """Waits until its health check has succeeded. Raises TimedOutError after `timeout` seconds, ConflictError when
        it exits before.
        """
        await self._wait_for(types.WaitCondition(condition=types.WaitKind.HEALTHY), timeout)

    async def wait_for_port(self, port: int, *, timeout: float = 60) -> None:
        """Waits until a TCP port takes connections in its network."""
        await self._wait_for(types.WaitCondition(condition=types.WaitKind.PORT_OPEN, port=port), timeout)

    async def wait_for_log(self, pattern: str, *, timeout: float = 60) -> str:
        """Waits for a line of its output that contains a text, and answers it."""
        line = await self._wait_for(types.WaitCondition(condition=types.WaitKind.LOG_MATCH, pattern=pattern), timeout)
        return line or ""

    async def _wait_for(self, condition: types.WaitCondition, timeout: float) -> str | None:
        answer = await self._client.container.wait(self.id, until=condition, timeout_ms=milliseconds(timeout))
        return answer.line

    async def exec(
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
        process = self.exec_stream(
            command,
            has_input=input is not None,
            environment=environment,
            working_directory=working_directory,
            user=user,
        )
        async with process:
            return checked(await process.communicate(input), " ".join(command), check)

    def exec_stream(
        self,
        command: Sequence[str],
        *,
        has_input: bool = False,
        environment: Mapping[str, str] | None = None,
        working_directory: str | None = None,
        user: str | None = None,
    ) -> AsyncProcess:
        """One more command in it, with its streams, as a context manager."""
        params = {
            "container": self.id,
            "command": list(command),
            "environment": environment,
            "workingDirectory": working_directory,
            "user": user,
        }
        return self._client.process("container/exec", params, types.ContainerExecResult, has_input=has_input)

    async def logs(self, *, tail: int | None = None) -> Output:
        """What it has written so far."""
        async with self.follow_logs(tail=tail, follow=False) as process:
            return await process.communicate()

    def follow_logs(self, *, tail: int | None = None, follow: bool = True) -> AsyncProcess:
        """What it has written and writes, until it ends, as a context manager."""
        params = {"container": self.id, "tail": tail, "follow": follow}
        return self._client.process("container/logs", params, type(None))

    async def copy_in(self, source: str | os.PathLike[str], target: str) -> None:
        """Copies a file or a directory of this machine into the container. A target that ends in a slash takes it in
        under its own name; any other one is its new name. Files belong to the container's root.
        """
        source = Path(source)
        directory, name = os.path.split(target)
        stream = (await self._client.connect()).sender()
        await self._send(archives.send_tree(source, name or source.resolve().name, stream), directory, stream)

    async def write_file(self, path: str, data: bytes | str, *, mode: int = 0o644) -> None:
        """Makes a file in the container, or replaces it."""
        directory, name = os.path.split(path)
        stream = (await self._client.connect()).sender()
        content = data.encode() if isinstance(data, str) else data
        await self._send(archives.send_file(content, name, mode, stream), directory, stream)

    async def copy_out(self, source: str, target: str | os.PathLike[str]) -> Path:
        """Copies a file or a directory of the container to this machine, and answers where it is. A target that is a
        directory takes it in under its own name; any other one is its new name, and must not be there yet.
        """
        target = Path(target)
        if target.is_dir():
            target /= os.path.basename(source.rstrip("/"))
        # Beside the target, so that it gets its name by renaming: it is there whole or not at all.
        with tempfile.TemporaryDirectory(prefix=".coracle-", dir=target.absolute().parent) as place:
            stream = (await self._client.connect()).receiver()
            await self._receive(source, archives.receive_tree(stream, Path(place)), stream, follow_links=False)
            (found,) = Path(place).iterdir()
            if os.path.lexists(target):
                raise FileExistsError(f"{target} exists")
            return move(found, target)

    async def read_file(self, path: str) -> bytes:
        """The content of a file in the container."""
        stream = (await self._client.connect()).receiver()
        return await self._receive(path, archives.receive_file(stream), stream, follow_links=True)

    async def _send(self, sending: Awaitable[None], directory: str, stream: OutgoingStream) -> None:
        asking = self._client.container.copy_to(self.id, directory or "/", stream=stream.name)
        await archives.transfer(sending, asking, stream)

    async def _receive(self, source: str, receiving: Awaitable[T], stream: IncomingStream, *, follow_links: bool) -> T:
        asking = self._client.container.copy_from(
            self.id, source, stream=stream.name, initial_credit=stream.window, follow_links=follow_links
        )
        received, _ = await archives.transfer(receiving, asking, stream)
        return received


def milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


def move(found: Path, target: Path) -> Path:
    """Gives a file or a directory another parent. A directory has to be writable for that, as its `..` changes."""
    mode = found.lstat().st_mode
    is_locked = stat.S_ISDIR(mode) and not mode & stat.S_IWUSR
    if is_locked:
        found.chmod(stat.S_IMODE(mode) | stat.S_IWUSR)
    found.rename(target)
    if is_locked:
        target.chmod(stat.S_IMODE(mode))
    return target
