"""Bulk data on credit: whoever sends has no more under way than the other side has granted."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections import deque
from collections.abc import AsyncIterator, Callable

from .failure import CoracleError, ProtocolError
from .generated import types
from .wire import Notification

WINDOW = 1 << 20
"""How many bytes an incoming stream may hold that nobody has taken yet."""

Send = Callable[[Notification], None]


class IncomingStream:
    """Bytes from the service, as an asynchronous iterator of pieces. It ends when the sender has closed it."""

    def __init__(self, name: str, send: Send, forget: Callable[[str], object], window: int = WINDOW) -> None:
        self.name = name
        self.window = window
        """The credit that the request is to give it at the beginning."""
        self._send, self._forget = send, forget
        self._pieces: deque[bytes] = deque()
        self._arrival = asyncio.Event()
        self._expected = 0
        self._owed = 0
        self._is_closed = False
        self._is_discarding = False
        self._failure: CoracleError | None = None

    @property
    def is_closed(self) -> bool:
        """Whether the service has closed it: then the request that it belongs to is about to be answered."""
        return self._is_closed

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        while not self._pieces:
            if self._failure:
                raise self._failure
            if self._is_closed:
                raise StopAsyncIteration
            self._arrival.clear()
            await self._arrival.wait()
        piece = self._pieces.popleft()
        self._grant(len(piece))
        return piece

    async def read(self) -> bytes:
        """All that comes until the end."""
        return b"".join([piece async for piece in self])

    async def lines(self) -> AsyncIterator[str]:
        """Lines of text without their ends. Bytes that are no UTF-8 are replaced."""
        rest = b""
        async for piece in self:
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                yield line.decode(errors="replace")
        if rest:
            yield rest.decode(errors="replace")

    def discard(self) -> None:
        """Drops what has come and what comes, so that the sender can get to its end."""
        self._is_discarding = True
        while self._pieces:
            self._grant(len(self._pieces.popleft()))

    def take(self, message: types.StreamDataNotification) -> None:
        if message.seq != self._expected:
            return self.fail(ProtocolError(f"stream {self.name} has a hole: {message.seq} for {self._expected}"))
        self._expected += 1
        try:
            piece = decode(message)
        except binascii.Error:
            return self.fail(ProtocolError(f"stream {self.name} has data that is not base64"))
        if self._is_discarding:
            self._grant(len(piece))
        elif piece:
            self._pieces.append(piece)
            self._arrival.set()

    def close(self, failure: CoracleError | None = None) -> None:
        self._is_closed = True
        self._failure = self._failure or failure
        self._forget(self.name)
        self._arrival.set()

    def fail(self, failure: CoracleError | None) -> None:
        """Ends it, where it has not ended by itself."""
        if not self._is_closed:
            self.close(failure)

    def _grant(self, count: int) -> None:
        self._owed += count
        # Half of the window at once: a message for every piece would cost more than it brings.
        if not self._is_closed and self._owed >= max(1, self.window // 2):
            self._send(types.StreamCreditNotification(stream=self.name, bytes=self._owed))
            self._owed = 0


class OutgoingStream:
    """Bytes to the service. A standard input has no credit until the container takes input."""

    def __init__(self, name: str, send: Send, forget: Callable[[str], object]) -> None:
        self.name = name
        self._send, self._forget = send, forget
        self._credit = 0
        self._next = 0
        self._change = asyncio.Event()
        self._is_closed = False
        self._failure: CoracleError | None = None

    async def write(self, data: bytes | bytearray | memoryview | str) -> None:
        """Sends all of it, as the service takes it. Raises BrokenPipeError when it takes no more."""
        rest = memoryview(data.encode() if isinstance(data, str) else data)
        while rest:
            while not self._credit:
                if self._failure:
                    raise self._failure
                if self._is_closed:
                    raise BrokenPipeError(f"stream {self.name} is closed")
                self._change.clear()
                await self._change.wait()
            piece = rest[: min(self._credit, 1 << 17)]
            rest = rest[len(piece) :]
            self._credit -= len(piece)
            self._send(encode(self.name, self._next, bytes(piece)))
            self._next += 1
            await asyncio.sleep(0)  # others have their turn; the credit bounds what is under way

    def close(self, broken: str | None = None) -> None:
        """Says that no more comes: the end of a standard input. With `broken`, why what came is not whole."""
        if not self._is_closed:
            self._end()
            error = broken and types.ErrorData(
                kind=types.ErrorKind.CANCELLED, retriable=False, causes=[], message=broken
            )
            self._send(types.StreamClosedNotification(stream=self.name, error=error or None))

    def grant(self, count: int) -> None:
        self._credit += count
        self._change.set()

    def fail(self, failure: CoracleError | None) -> None:
        """The other side takes no more."""
        self._failure = self._failure or failure
        if not self._is_closed:
            self._end()

    def _end(self) -> None:
        self._is_closed = True
        self._credit = 0
        self._forget(self.name)
        self._change.set()


def encode(name: str, number: int, piece: bytes) -> types.StreamDataNotification:
    try:
        data, encoding = piece.decode(), types.StreamEncoding.UTF8
    except UnicodeDecodeError:
        data, encoding = base64.b64encode(piece).decode("ascii"), types.StreamEncoding.BASE64
    return types.StreamDataNotification(stream=name, seq=number, data=data, encoding=encoding)


def decode(message: types.StreamDataNotification) -> bytes:
    if message.encoding is types.StreamEncoding.BASE64:
        return base64.b64decode(message.data, validate=True)
    return message.data.encode()
