"""An event loop for those who wait."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, ParamSpec, TypeVar

from .failure import ConnectionLost

T = TypeVar("T")
P = ParamSpec("P")


class CallbackExit(Exception):
    """Carries, as its cause, what ends an event loop when a task raises it: SystemExit or KeyboardInterrupt."""


def carrying_exits(callback: Callable[P, T]) -> Callable[P, T]:
    """A callback for the loop's thread, of which `wait` raises whatever it does."""

    def guarded(*arguments: P.args, **named: P.kwargs) -> T:
        try:
            return callback(*arguments, **named)
        except (SystemExit, KeyboardInterrupt) as failure:
            raise CallbackExit from failure

    return guarded


class LoopThread:
    """An event loop on a thread of its own, which ends with the program at the latest."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="coracle", daemon=True)
        self._lock = threading.Lock()
        self._is_stopped = False
        self._thread.start()

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of work on the loop. Ctrl-C cancels it, and is raised when it has stopped. Raises ConnectionLost when
        the loop is stopped, and RuntimeError on its own thread, which cannot wait for itself.
        """
        has_stopped = threading.Event()

        async def watched() -> T:
            try:
                return await work
            finally:
                has_stopped.set()

        try:
            self.check_caller()
        except RuntimeError:
            work.close()
            raise
        with self._lock:
            if self._is_stopped:
                work.close()
                raise ConnectionLost("the client is closed")
            future = asyncio.run_coroutine_threadsafe(watched(), self._loop)
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise ConnectionLost("the client is closed") from None
        except CallbackExit as carried:
            raise (carried.__cause__ or carried) from None
        except KeyboardInterrupt:
            if future.cancel():
                has_stopped.wait(30)
            raise

    def check_caller(self) -> None:
        """Raises RuntimeError on the loop's own thread, which cannot wait for itself."""
        if threading.current_thread() is self._thread:
            raise RuntimeError("a callback must not ask or close the client that calls it, which waits for the callback's end")

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
        """Cancels all that is under way, for whichever thread, and ends the loop when it has ended. Raises RuntimeError on
        the loop's own thread.
        """
        self.check_caller()
        with self._lock:
            if self._is_stopped:
                return
            self._is_stopped = True
        asyncio.run_coroutine_threadsafe(self._cancel_all(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _cancel_all(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
