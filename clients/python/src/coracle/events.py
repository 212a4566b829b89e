"""The journal of the store as an asynchronous iterator that outlives sessions."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from .connection import Connection, service_error
from .failure import ConnectionLost, CoracleError
from .generated import types

if TYPE_CHECKING:
    from .client import AsyncClient

Event = types.EventOccurredNotification
MOST_WAITING = 10_000
"""How many events wait here for a slow reader; beyond, they are left in the journal and asked for again."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0


class Events:
    """Events in their order, each once: an asynchronous iterator, and a context manager whose subscription holds from
    its beginning. When the session is lost, a new one goes on after the last event.
    """

    def __init__(
        self, client: AsyncClient, after: str | None, kinds: Sequence[str] | None, subjects: Sequence[str] | None
    ) -> None:
        self._client = client
        self._kinds, self._subjects = kinds, subjects
        self.cursor = after
        """After the last event that was given out; what to keep for a later run of the program."""
        self._subscription: Subscription | None = None
        self._has_begun = False

    async def __aenter__(self) -> Events:
        await self._subscribe()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the subscription."""
        subscription, self._subscription = self._subscription, None
        if subscription:
            await subscription.close()

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        pause = FIRST_PAUSE
        while True:
            try:
                subscription = self._subscription or await self._subscribe()
                event = await subscription.next()
            except ConnectionLost:
                # At the beginning it may be the caller's mistake: a command that is not there.
                if self._client.is_closed or not self._has_begun:
                    raise
                self._subscription = None
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
                continue
            except CoracleError:
                # The subscription has ended. Who asks for more has a new one.
                self._subscription = None
                raise
            if event is None:
                await self.close()  # more than wait here: the journal has the rest
                continue
            self.cursor = event.cursor
            return event

    async def _subscribe(self) -> Subscription:
        connection = await self._client.connect()
        subscription = Subscription(connection)
        self.cursor = await subscription.open(self.cursor, self._kinds, self._subjects)
        self._subscription, self._has_begun = subscription, True
        return subscription


class Subscription:
    """Events in one session."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._name: str | None = None
        self._arrived: asyncio.Queue[Event | types.EventEndedNotification | CoracleError] = asyncio.Queue()
        self._is_overrun = False
        self._unlisten = connection.listen(self._notice)

    async def open(self, after: str | None, kinds: Sequence[str] | None, subjects: Sequence[str] | None) -> str:
        """Answers where it begins."""
        try:
            answer = await self._connection.request(
                "event/subscribe",
                {"after": after, "kinds": kinds and list(kinds), "subjects": subjects and list(subjects)},
                types.EventSubscribeResult,
            )
        except BaseException:
            self._unlisten()
            raise
        self._name = answer.subscription
        return answer.cursor

    async def next(self) -> Event | None:
        """The next event, or None where the reader was too slow for what came after the last one."""
        while True:
            if self._is_overrun and self._arrived.empty():
                return None
            arrived = await self._arrived.get()
            if isinstance(arrived, CoracleError):
                self._unlisten()
                raise arrived
            # What comes can be here before the answer that has the subscription's name.
            if arrived.subscription != self._name:
                continue
            if isinstance(arrived, types.EventEndedNotification):
                self._unlisten()
                raise service_error(arrived.error.message or "", 0, arrived.error)
            return arrived

    async def close(self) -> None:
        self._unlisten()
        if self._name and not self._connection.is_lost:
            params = {"subscription": self._name}
            # With the session, or by the service, it has ended as well.
            with contextlib.suppress(CoracleError):
                await self._connection.request("event/unsubscribe", params, type(None))

    def _notice(self, message: object) -> None:
        match message:
            case types.EventOccurredNotification():
                if self._name in (None, message.subscription) and not self._is_overrun:
                    self._is_overrun = self._arrived.qsize() >= MOST_WAITING
                    if not self._is_overrun:
                        self._arrived.put_nowait(message)
            case types.EventEndedNotification():
                if self._name in (None, message.subscription):
                    self._arrived.put_nowait(message)
            case CoracleError():
                self._arrived.put_nowait(ConnectionLost(str(message)))
