"""A command in a container with its standard streams here."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, cast

from .connection import Call, Connection
from .failure import CommandFailed, CoracleError
from .generated import types
from .streams import IncomingStream, OutgoingStream


@dataclass(slots=True)
class Output:
    """What a command has written, and how it ended."""

    stdout: bytes
    stderr: bytes
    exit: types.ExitStatus | None
    """None where it goes on, as a container does whose log was read."""

    @property
    def code(self) -> int:
        """Its exit code, or 128 and the signal's number."""
        return self.exit.code if self.exit else 0

    @property
    def text(self) -> str:
        """Its standard output as text. Bytes that are no UTF-8 are replaced."""
        return self.stdout.decode(errors="replace")


class AsyncProcess:
    """A command that runs, as an asynchronous context manager. Leaving it early cancels what it stands for: `run`'s
    container is stopped, `exec`'s process is killed, and what `logs` and `attach` look at goes on.
    """

    stdout: IncomingStream
    stderr: IncomingStream
    stdin: OutgoingStream | None = None
    """Where it was asked for."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[Connection]],
        method: str,
        params: Mapping[str, object],
        result: type[Any],
        *,
        has_input: bool = False,
    ) -> None:
        self._connect = connect
        self._method, self._params, self._result = method, dict(params), result
        self._has_input = has_input
        self._call: Call[Any] | None = None
        self._container: types.ContainerSummary | None = None
        self._started = asyncio.Event()

    async def __aenter__(self) -> AsyncProcess:
        connection = await self._connect()
        self.stdout, self.stderr = connection.receiver(), connection.receiver()
        self._params["streams"] = types.OutputStreams(
            stdout=self.stdout.name, stderr=self.stderr.name, initial_credit=self.stdout.window
        )
        if self._has_input:
            self.stdin = connection.sender()
            self._params["stdin"] = self.stdin.name
        self._unlisten = connection.listen(self._notice)
        try:
            self._call = connection.call(self._method, self._params, self._result)
        except Exception:
            self._release()
            raise
        self._call.answer.add_done_callback(self._end)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._discard()
        if self._call:
            await self._call.cancel()

    async def started(self) -> types.ContainerSummary:
        """The container that `run` has started, as soon as it has. Raises the request's error when it fails before."""
        await self._started.wait()
        if self._container is None:
            await self._answer()
        assert self._container
        return self._container

    async def wait(self) -> types.ExitStatus | None:
        """How it ended. What it writes that nobody has read is dropped."""
        self._discard()
        return getattr(await self._answer(), "exit", None)

    async def communicate(self, data: bytes | str | None = None) -> Output:
        """Writes its standard input, where there is one, reads all that it writes, and waits for its end."""
        # At once: what is no Unicode is the caller's mistake, and the command would wait for it.
        given = data.encode() if isinstance(data, str) else data or b""

        async def feed() -> None:
            if self.stdin:
                # A command that does not read to the end is no failure.
                with contextlib.suppress(BrokenPipeError):
                    await self.stdin.write(given)
                self.stdin.close()

        feeding = asyncio.create_task(feed())
        try:
            stdout, stderr, answer = await asyncio.gather(self.stdout.read(), self.stderr.read(), self._answer())
        finally:
            feeding.cancel()
        return Output(stdout, stderr, getattr(answer, "exit", None))

    async def lines(self) -> AsyncIterator[str]:
        """The lines of both outputs, in the order in which they come."""
        queue: asyncio.Queue[str | None] = asyncio.Queue(100)

        async def read(stream: IncomingStream) -> None:
            try:
                async for line in stream.lines():
                    await queue.put(line)
            except Exception:
                await queue.put(None)
                raise
            # Not for one that is cancelled: nobody makes room for it any more.
            await queue.put(None)

        readers = [asyncio.create_task(read(stream)) for stream in (self.stdout, self.stderr)]
        try:
            for _ in readers:
                while (line := await queue.get()) is not None:
                    yield line
            await asyncio.gather(*readers)
        finally:
            for reader in readers:
                reader.cancel()
            await asyncio.gather(*readers, return_exceptions=True)

    async def _answer(self) -> Any:
        if self._call is None:
            raise RuntimeError("use it as a context manager: async with … as process")
        return await self._call.result()

    def _notice(self, message: object) -> None:
        match message:
            case types.ContainerRunningNotification() if self._call and message.request == self._call.number:
                self._container = message.container
                self._started.set()

    def _end(self, answer: asyncio.Future[Any]) -> None:
        """All that belongs to the request has come, streams included, and of a failed one nothing more will."""
        self._started.set()
        self._release(cast(Any, answer.exception()) if not answer.cancelled() else None)

    def _release(self, failure: CoracleError | None = None) -> None:
        self._unlisten()
        for stream in (self.stdout, self.stderr):
            stream.fail(failure)
        if self.stdin:
            self.stdin.fail(None)

    def _discard(self) -> None:
        self.stdout.discard()
        self.stderr.discard()


def checked(output: Output, command: str, check: bool) -> Output:
    """Raises CommandFailed for another exit code than 0, where that is to be checked."""
    if check and output.code:
        raise CommandFailed(command, output)
    return output
