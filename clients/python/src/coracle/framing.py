"""The service's process, and messages behind `Content-Length` headers on its standard streams."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

from .failure import ConnectionLost, InvalidMessage, ProtocolError

LOG = logging.getLogger("coracle")
KEPT_ERRORS = 4096


class ServiceProcess:
    """A running `coracle serve`, or any command that leads to one, as `ssh host coracle serve` does."""

    def __init__(self, process: asyncio.subprocess.Process, command: Sequence[str]) -> None:
        assert process.stdin and process.stdout and process.stderr
        self._process = process
        self._input, self._output, self._errors = process.stdin, process.stdout, process.stderr
        self._command = command
        self._complaints = b""
        self.longest_message: int | None = None
        """The bytes that the service takes for one message, where they are known."""
        self._listener = asyncio.create_task(self._listen())

    @classmethod
    async def start(
        cls, command: Sequence[str], environment: Mapping[str, str] | None, directory: str | os.PathLike[str] | None
    ) -> ServiceProcess:
        """Starts the command. Raises ConnectionLost when it cannot be started."""
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=None if environment is None else {**os.environ, **environment},
                cwd=directory,
                # Ctrl-C is for the client, which then ends the session in order.
                start_new_session=True,
            )
        except OSError as error:
            raise ConnectionLost(f"cannot start {command[0]}: {error.strerror}") from error
        return cls(process, command)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def receive(self) -> Any | None:
        """The next message, or None at the end."""
        length = None
        while True:
            try:
                line = await self._output.readuntil(b"\n")
            except asyncio.IncompleteReadError as end:
                if end.partial or length is not None:
                    raise ConnectionLost("the service ended in the middle of a message") from None
                return None
            except asyncio.LimitOverrunError:
                raise ProtocolError("a header of the service is too long") from None
            line = line.strip()
            if not line:
                break
            name, _, value = line.partition(b":")
            if name.strip().lower() == b"content-length":
                try:
                    length = int(value)
                except ValueError:
                    raise ProtocolError(f"not a length: {value!r}") from None
        if length is None:
            raise ProtocolError("a message of the service has no Content-Length")
        try:
            return json.loads(await self._output.readexactly(length))
        except asyncio.IncompleteReadError:
            raise ConnectionLost("the service ended in the middle of a message") from None
        except ValueError:
            raise ProtocolError("a message of the service is not JSON") from None

    def send(self, message: Mapping[str, object]) -> None:
        """Queues a message. `flush` waits until there is room for more. Raises InvalidMessage, and queues nothing, where the
        service could not read it: it does not know which request it then has to answer.
        """
        try:
            body = json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
        except UnicodeEncodeError as error:
            text = f"text that is no Unicode, {error.object[error.start : error.end]!a}"
            raise InvalidMessage(f"cannot send {message.get('method')}: it has {text}") from error
        except ValueError as error:
            raise InvalidMessage(f"cannot send {message.get('method')}: {error}") from error
        if self.longest_message and len(body) > self.longest_message:
            lengths = f"{len(body)} bytes, and the service takes {self.longest_message}"
            raise InvalidMessage(f"cannot send {message.get('method')}: it has {lengths}")
        self._input.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))

    async def flush(self) -> None:
        try:
            await self._input.drain()
        except ConnectionError:
            pass  # the reader sees the end, and everyone who waits is told

    async def end(self, patience: float) -> int:
        """Closes the service's input and waits for its end, which is forced when that takes longer than `patience`
        seconds. Answers the exit status.
        """
        self._input.close()
        try:
            status = await asyncio.wait_for(self._process.wait(), patience)
        except TimeoutError:
            self._process.kill()
            status = await self._process.wait()
        # What the service leaves behind holds no end of this pipe; should something, it is not waited for.
        await asyncio.wait([self._listener], timeout=1)
        self._listener.cancel()
        return status

    def release(self) -> None:
        """Closes the pipes of a service that has ended, whoever else holds them: a reader finds their end."""
        # It has no other name in asyncio.
        self._process._transport.close()  # type: ignore[attr-defined]

    async def farewell(self) -> str:
        """Why the service has ended, as far as can be told."""
        status = await self.end(30)
        text = self._complaints.decode(errors="replace").strip()
        return f"{' '.join(self._command)} has ended with status {status}" + (f": {text}" if text else "")

    async def _listen(self) -> None:
        while piece := await self._errors.read(KEPT_ERRORS):
            self._complaints = (self._complaints + piece)[-KEPT_ERRORS:]
            for line in piece.decode(errors="replace").splitlines():
                LOG.info("service: %s", line)
