"""The client that waits: the same as `AsyncClient`, which it runs on a thread of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar, Unpack

from .blocking_container import Container, Process
from .client import AsyncClient
from .events import Event, Events
from .generated import types
from .generated.blocking import BlockingMethods
from .loop import LoopThread, carrying_exits
from .process import Output
from .request import ProgressCallback

T = TypeVar("T")


class EventIterator:
    """Events in their order, each once; see `Events`."""

    def __init__(self, thread: LoopThread, events: Events) -> None:
        self._thread, self._events = thread, events

    @property
    def cursor(self) -> str | None:
        """After the last event that was given out."""
        return self._events.cursor

    def __enter__(self) -> EventIterator:
        self._thread.wait(self._events.__aenter__())
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.wait(self._events.close())

    def __iter__(self) -> Iterator[Event]:
        return self._thread.each(self._events)


class Client(BlockingMethods):
    """A session with a service of its own, as a context manager; see `AsyncClient`, of which it has all methods."""

    def __init__(
        self,
        command: Sequence[str] = ("coracle", "serve"),
        *,
        store: str | os.PathLike[str] | None = None,
        run: str | os.PathLike[str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(self._request)
        self._thread = LoopThread()
        self._client = AsyncClient(command, store=store, run=run, environment=environment)

    def __enter__(self) -> Client:
        try:
            self._thread.wait(self._client.__aenter__())
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the session. What is under way is cancelled. Raises RuntimeError in a callback of this client's."""
        if not self._client.is_closed:
            self._thread.check_caller()
            try:
                self._thread.wait(self._client.close())
            finally:
                self._thread.stop()

    def pull(self, reference: str, *, progress: ProgressCallback | None = None) -> types.ImageSummary:
        """Fetches an image; `progress` is called, on another thread, with each of its tasks. It must not ask this client
        for anything.
        """
        return self._thread.wait(self._client.pull(reference, progress=progress and carrying_exits(progress)))

    def build_image(
        self,
        context: str | os.PathLike[str],
        /,
        *references: str,
        upload: bool = False,
        on_line: Callable[[str], object] | None = None,
        progress: ProgressCallback | None = None,
        **options: Unpack[types.BuildDescriptionOptions],
    ) -> types.BuildStartResult:
        """Builds the Dockerfile of a directory; see `AsyncClient.build_image`."""
        return self._thread.wait(
            self._client.build_image(
                context,
                *references,
                upload=upload,
                on_line=on_line and carrying_exits(on_line),
                progress=progress and carrying_exits(progress),
                **options,
            )
        )

    def run(
        self,
        image: str,
        command: Sequence[str] | None = None,
        /,
        *,
        input: bytes | str | None = None,
        check: bool = False,
        pull: bool = False,
        **options: Unpack[types.ContainerCreationOptions],
    ) -> Output:
        """Runs a container to its end; see `AsyncClient.run`."""
        return self._thread.wait(self._client.run(image, command, input=input, check=check, pull=pull, **options))

    def run_stream(
        self,
        image: str,
        command: Sequence[str] | None = None,
        /,
        *,
        has_input: bool = False,
        **options: Unpack[types.ContainerCreationOptions],
    ) -> Process:
        """A container with its streams, as a context manager: it is stopped where it still runs at the end."""
        return Process(self._thread, self._client.run_stream(image, command, has_input=has_input, **options))

    def start(
        self,
        image: str,
        command: Sequence[str] | None = None,
        /,
        *,
        pull: bool = False,
        **options: Unpack[types.ContainerCreationOptions],
    ) -> Container:
        """Starts a container and leaves it running. As a context manager it is removed at the end."""
        started = self._thread.wait(self._client.start(image, command, pull=pull, **options))
        return Container(self._thread, started)

    def find(self, container: str) -> Container:
        """A container by its name, its id, or the beginning of one."""
        return Container(self._thread, self._client.find(container))

    def containers(self, *, all: bool = False) -> list[types.ContainerSummary]:
        """Containers that run, or all, the newest first."""
        return self._thread.wait(self._client.containers(all=all))

    def images(self) -> list[types.ImageSummary]:
        """All images, the newest first."""
        return self._thread.wait(self._client.images())

    def events(
        self, *, after: str | None = None, kinds: Sequence[str] | None = None, subjects: Sequence[str] | None = None
    ) -> EventIterator:
        """Events after a cursor, or from now on; see `AsyncClient.events`."""
        return EventIterator(self._thread, self._client.events(after=after, kinds=kinds, subjects=subjects))

    def _request(
        self, method: str, params: Mapping[str, object], result: type[T], progress: ProgressCallback | None = None
    ) -> T:
        return self._thread.wait(self._client._request(method, params, result, progress and carrying_exits(progress)))
