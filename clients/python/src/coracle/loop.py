"""An event loop for those who wait."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, TypeVar

from .failure import ConnectionLost

T = TypeVar("T")


class LoopThread:
    """An event loop on a thread of its own, which ends with the program at the latest."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="coracle", daemon=True)
        self._thread.start()

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of work on the loop. Ctrl-C cancels it, and is raised when it has stopped."""
        if self._loop.is_closed():
            work.close()
            raise ConnectionLost("the client is closed")
        has_stopped = threading.Event()

        async def watched() -> T:
            try:
                return await work
            finally:
                has_stopped.set()

        future = asyncio.run_coroutine_threadsafe(watched(), self._loop)
        try:
            return future.result()
        except KeyboardInterrupt:
            if future.cancel():
                has_stopped.wait(30)
            raise

    def run(self, action: Callable[[], T]) -> T:
        """The result of a call on the loop."""

        async def call() -> T:
            return action()

        return self.wait(call())

    def each(self, elements: AsyncIterator[T]) -> Iterator[T]:
        """The elements of an iterator on the loop."""

        async def following() -> tuple[T] | None:
            try:
                return (await anext(elements),)
            except StopAsyncIteration:
                return None

        while (found := self.wait(following())) is not None:
            yield found[0]

    def stop(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
