"""The client for asyncio."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar, Unpack

from . import archives
from .connection import Connection
from .container import AsyncContainer
from .events import Events
from .failure import ConnectionLost
from .generated import types
from .generated.errors import NotFoundError
from .generated.methods import Methods
from .process import AsyncProcess, Output, checked
from .request import ProgressCallback
from .wire import encode

T = TypeVar("T")


class AsyncClient(Methods):
    """A session with a service of its own, as an asynchronous context manager. It starts with the first request, and
    again with the next one when the service was lost in between. All requests of the protocol are there, by their nouns
    (`client.image.pull(…)`), and what is used most in a shorter form.
    """

    def __init__(
        self,
        command: Sequence[str] = ("coracle", "serve"),
        *,
        store: str | os.PathLike[str] | None = None,
        run: str | os.PathLike[str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`command` starts the service, here or elsewhere (`["ssh", "host", "coracle", "serve"]`); `store` and `run`
        are directories of another store than the user's, and `environment` is set besides this process's own.
        """
        super().__init__(self._request)
        places = {"--store": store, "--run": run}
        self._command = [*command, *(word for key, value in places.items() if value for word in (key, str(value)))]
        self._environment = environment
        self._connection: Connection | None = None
        self._opening = asyncio.Lock()
        self._opener: asyncio.Task[Connection] | None = None
        self.is_closed = False

    async def __aenter__(self) -> AsyncClient:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def connect(self) -> Connection:
        """The session, which is opened where there is none. Raises ConnectionLost when that is not possible."""
        async with self._opening:
            if self.is_closed:
                raise ConnectionLost("the client is closed")
            if self._connection is None or self._connection.is_lost:
                if self._connection:
                    await self._connection.close()
                self._connection = await self._open()
            return self._connection

    async def _open(self) -> Connection:
        if self.is_closed:
            raise ConnectionLost("the client is closed")
        self._opener = asyncio.create_task(Connection.open(self._command, environment=self._environment))
        try:
            connection = await self._opener
        except asyncio.CancelledError:
            # By whoever closes the client, or with the task that asks.
            task = asyncio.current_task()
            if self.is_closed and not (task and task.cancelling()):
                raise ConnectionLost("the client is closed") from None
            raise
        finally:
            self._opener = None
        if self.is_closed:
            # Whoever closes the client has it.
            raise ConnectionLost("the client is closed")
        return connection

    async def close(self) -> None:
        """Ends the session, also one that is being opened. What is under way is cancelled."""
        self.is_closed = True
        connection = self._connection
        if opener := self._opener:
            opener.cancel()
            await asyncio.wait([opener])
            connection = None if opener.cancelled() or opener.exception() else opener.result()
        if connection:
            await connection.close()

    async def pull(self, reference: str, *, progress: ProgressCallback | None = None) -> types.ImageSummary:
        """Fetches an image; `progress` is called with each of its tasks."""
        return (await self.image.pull(reference, progress=progress)).image

    async def build_image(
        self,
        context: str | os.PathLike[str],
        /,
        *references: str,
        upload: bool = False,
        on_line: Callable[[str], object] | None = None,
        progress: ProgressCallback | None = None,
        **options: Unpack[types.BuildDescriptionOptions],
    ) -> types.BuildStartResult:
        """Builds the Dockerfile of a directory. `on_line` is called with each line that its RUNs write; what
        it raises is raised when the build has ended. The service reads the directory itself; one on another machine cannot, and `upload` sends it. Raises BuildFailedError when a
        RUN fails.
        """
        connection = await self.connect()
        output = connection.receiver()
        place = Path(context).absolute()
        description: dict[str, object] = encode(types.BuildDescription(**options))
        params = {
            **description,
            "references": references,
            "output": output.name,
            "initialCredit": output.window,
        }

        async def show() -> BaseException | None:
            """Answers the mistake of `on_line`: the build waits for whoever reads its output, and so it is read on."""
            mistake: BaseException | None = None
            async for line in output.lines():
                if on_line and not mistake:
                    try:
                        on_line(line)
                    except BaseException as failure:
                        mistake = failure
            return mistake

        async def build() -> types.BuildStartResult:
            if not upload:
                return await connection.request(
                    "build/start", {**params, "context": str(place)}, types.BuildStartResult, progress
                )
            stream = connection.sender()
            building = connection.request(
                "build/start", {**params, "contextStream": stream.name}, types.BuildStartResult, progress
            )
            return (await archives.transfer(archives.send_tree(place, ".", stream), building, stream))[1]

        showing = asyncio.create_task(show())
        try:
            built = await build()
        finally:
            # All of it has come before the answer; after a failure before the first step nothing has.
            output.fail(None)
            mistake = await showing
        if mistake:
            raise mistake
        return built

    async def run(
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
        """Runs a container to its end, and removes it unless `auto_remove=False`. With `check`, raises CommandFailed
        for another exit code than 0; with `pull`, an image that is not there is fetched.
        """

        async def once() -> Output:
            async with self.run_stream(image, command, has_input=input is not None, **options) as process:
                return await process.communicate(input)

        output = await self._with_image(image, pull, once)
        return checked(output, " ".join([image, *(command or [])]), check)

    def run_stream(
        self,
        image: str,
        command: Sequence[str] | None = None,
        /,
        *,
        has_input: bool = False,
        **options: Unpack[types.ContainerCreationOptions],
    ) -> AsyncProcess:
        """A container with its streams, as a context manager: it is stopped where it still runs at the end, and removed
        unless `auto_remove=False`.
        """
        options.setdefault("auto_remove", True)
        params = creation(image, command, options)
        if has_input:
            params["opensStdin"] = True
        return self.process("container/run", params, types.ContainerRunResult, has_input=has_input)

    async def start(
        self,
        image: str,
        command: Sequence[str] | None = None,
        /,
        *,
        pull: bool = False,
        **options: Unpack[types.ContainerCreationOptions],
    ) -> AsyncContainer:
        """Starts a container and leaves it running. As a context manager it is removed at the end:

        async with await client.start("web:1") as web:
        """
        params: dict[str, object] = {**creation(image, command, options), "detach": True}

        async def once() -> AsyncContainer:
            call = (await self.connect()).call("container/run", params, types.ContainerRunResult)
            try:
                return AsyncContainer(self, (await call.result()).container.id)
            except asyncio.CancelledError:
                # It may be there already, and nobody would know of it.
                if started := await call.cancel():
                    await AsyncContainer(self, started.container.id).remove(force=True)
                raise

        return await self._with_image(image, pull, once)

    def find(self, container: str) -> AsyncContainer:
        """A container by its name, its id, or the beginning of one. Whether there is one shows when it is used."""
        return AsyncContainer(self, container)

    async def containers(self, *, all: bool = False) -> list[types.ContainerSummary]:
        """Containers that run, or all, the newest first."""
        return (await self.container.list(all=all)).containers

    async def images(self) -> list[types.ImageSummary]:
        """All images, the newest first."""
        return (await self.image.list()).images

    def events(
        self, *, after: str | None = None, kinds: Sequence[str] | None = None, subjects: Sequence[str] | None = None
    ) -> Events:
        """Events after a cursor, or from now on: an asynchronous iterator that goes on when the service is lost. A kind
        that ends in a dot, as `container.`, means all that begin with it.
        """
        return Events(self, after, kinds, subjects)

    def process(
        self, method: str, params: Mapping[str, object], result: type[Any], *, has_input: bool = False
    ) -> AsyncProcess:
        """A request that carries the streams of a command, as a context manager."""
        return AsyncProcess(self.connect, method, params, result, has_input=has_input)

    async def _request(
        self, method: str, params: Mapping[str, object], result: type[T], progress: ProgressCallback | None = None
    ) -> T:
        return await (await self.connect()).request(method, params, result, progress)

    async def _with_image(self, image: str, pull: bool, action: Callable[[], Awaitable[T]]) -> T:
        try:
            return await action()
        except NotFoundError:
            # It may as well be a network or the command: then nothing is fetched, and no registry asked for a name.
            if not pull or await self._has_image(image):
                raise
            await self.pull(image)
            return await action()

    async def _has_image(self, image: str) -> bool:
        try:
            await self.image.inspect(image)
            return True
        except NotFoundError:
            return False


def creation(image: str, command: Sequence[str] | None, options: types.ContainerCreationOptions) -> dict[str, object]:
    """The parameters of a container by the protocol's names."""
    if command is not None:
        options = options.copy()
        options["command"] = list(command)
    made: dict[str, object] = encode(types.ContainerCreation(image=image, **options))
    return made
