"""A session with one service: requests, what comes without being asked, and streams."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from .failure import ConnectionLost, CoracleError, ProtocolError, ServiceError
from .framing import ServiceProcess
from .generated import types
from .generated.errors import ERRORS
from .request import Progress, ProgressCallback
from .streams import WINDOW, IncomingStream, OutgoingStream
from .wire import Notification, decode, encode

LOG = logging.getLogger("coracle")
T = TypeVar("T")
Listener = Callable[[Notification | CoracleError], object]


class Call(Generic[T]):
    """A request that is under way."""

    def __init__(self, number: int, result: type[T], progress: ProgressCallback | None, connection: Connection) -> None:
        self.number = number
        self.answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.result_type = result
        self.progress = progress
        self.mistake: BaseException | None = None
        """Of `progress`. It is raised when the request, which was cancelled for it, has ended."""
        self.tasks: dict[int, Progress] = {}
        self._connection = connection
        # A failure that nobody waits for any more is no news.
        self.answer.add_done_callback(asyncio.Future.exception)

    async def result(self) -> T:
        """Waits for the answer, and asks for nothing when the waiting is cancelled."""
        return await asyncio.shield(self.answer)

    async def cancel(self) -> T | None:
        """Cancels the request and waits until its work has stopped. Answers its result where that was sooner, and None
        where it was cancelled or failed.
        """
        if not self.answer.done():
            self._connection.notify(types.CancelRequestNotification(id=self.number))
            await asyncio.wait([self.answer])
        return None if self.answer.exception() else self.answer.result()


class Connection:
    """A session. It belongs to the event loop that opened it."""

    def __init__(self, process: ServiceProcess) -> None:
        self._process = process
        self._numbers = itertools.count(1)
        self._calls: dict[int, Call[Any]] = {}
        self._tasks: dict[int, Call[Any]] = {}
        self._incoming: dict[str, IncomingStream] = {}
        self._outgoing: dict[str, OutgoingStream] = {}
        self._listeners: list[Listener] = []
        self._failure: CoracleError | None = None
        self._is_closing = False
        self._reader = asyncio.create_task(self._read())
        self.info: types.InitializeResult

    @classmethod
    async def open(
        cls,
        command: Sequence[str] = ("coracle", "serve"),
        *,
        environment: Mapping[str, str] | None = None,
        directory: str | os.PathLike[str] | None = None,
        client: str = "coracle-python",
    ) -> Connection:
        """Starts a service and opens its session.

        Raises ConnectionLost, with the service's own words, when there is none.
        """
        self = cls(await ServiceProcess.start(command, environment, directory))
        try:
            # Without the client's process: behind ssh it would be one of another machine. The end of the input will do.
            # And not as a request that is cancelled with the waiting, for which it would have to answer.
            self.info = await self.call("initialize", {"clientInfo": {"name": client}}, types.InitializeResult).result()
        except BaseException:
            await self.close(patience=1)
            raise
        self._process.longest_message = self.info.capabilities.max_frame_bytes
        self.notify(types.InitializedNotification())
        return self

    @property
    def is_lost(self) -> bool:
        return self._failure is not None

    @property
    def pid(self) -> int:
        """The process that was started: the service, or what leads to it."""
        return self._process.pid

    def call(
        self, method: str, params: Mapping[str, object], result: type[T], progress: ProgressCallback | None = None
    ) -> Call[T]:
        """Sends a request. Raises InvalidMessage where it cannot be said."""
        call = Call(next(self._numbers), result, progress, self)
        if self._failure:
            call.answer.set_exception(self._failure)
        else:
            # First, since what cannot be sent is the caller's mistake and no request.
            self._process.send({"jsonrpc": "2.0", "id": call.number, "method": method, "params": encode(params)})
            self._calls[call.number] = call
        return call

    async def request(
        self, method: str, params: Mapping[str, object], result: type[T], progress: ProgressCallback | None = None
    ) -> T:
        """Sends a request and answers its result. When the waiting is cancelled, so is the request, and CancelledError
        is raised when its work has stopped.
        """
        call = self.call(method, params, result, progress)
        try:
            await self._process.flush()
            return await call.result()
        except asyncio.CancelledError:
            await call.cancel()
            raise

    def notify(self, notification: Notification) -> None:
        if not self._failure:
            self._process.send({"jsonrpc": "2.0", "method": notification.METHOD, "params": encode(notification)})

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Calls a function with each notification that is not of a stream, and last, when the session is lost, with
        why. Answers how to end that.
        """
        self._listeners.append(listener)

        def unlisten() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return unlisten

    def receiver(self, window: int = WINDOW) -> IncomingStream:
        """A stream that a request is then to name, with its window as the credit at the beginning."""
        name = f"in{next(self._numbers)}"
        self._incoming[name] = stream = IncomingStream(
            name, self.notify, lambda name: self._incoming.pop(name, None), window
        )
        return stream

    def sender(self) -> OutgoingStream:
        """A stream that a request is then to name."""
        name = f"out{next(self._numbers)}"
        self._outgoing[name] = stream = OutgoingStream(name, self.notify, lambda name: self._outgoing.pop(name, None))
        return stream

    async def flush(self) -> None:
        await self._process.flush()

    async def close(self, patience: float = 30) -> None:
        """Ends the session: what is under way is cancelled, and containers of its lifetime go. A service that does not
        answer within `patience` seconds, or does not end within as many, is killed.
        """
        self._is_closing = True
        if not self._failure:
            call = self.call("shutdown", {}, type(None))
            await asyncio.wait([call.answer], timeout=patience)
            if call.answer.done() and not call.answer.exception():
                self._process.send({"jsonrpc": "2.0", "method": "exit"})
        await self._process.end(patience)
        # Something that the service's command has left behind may hold the other end of the pipe.
        await asyncio.wait([self._reader], timeout=1)
        self._process.release()
        await asyncio.wait([self._reader])
        self._lose(ConnectionLost("the session is closed"))

    async def _read(self) -> None:
        try:
            while (message := await self._process.receive()) is not None:
                self._take(message)
            # The service's own words are worth a moment's wait, but whoever closes has them read already.
            reason = "the session is closed" if self._is_closing else await self._process.farewell()
            self._lose(ConnectionLost(reason))
        except CoracleError as failure:
            self._lose(failure)
        except Exception as failure:
            LOG.exception("a message could not be taken")
            self._lose(ProtocolError(f"a message could not be taken: {failure}"))

    def _lose(self, failure: CoracleError) -> None:
        if self._failure:
            return
        self._failure = failure
        for call in self._calls.values():
            call.answer.set_exception(call.mistake or failure)
        self._calls.clear()
        for incoming in list(self._incoming.values()):
            incoming.fail(failure)
        for outgoing in list(self._outgoing.values()):
            outgoing.fail(failure)
        self._tell(failure)

    def _take(self, message: Any) -> None:
        if not isinstance(message, dict):
            raise ProtocolError("a message of the service is no object")
        if "method" not in message:
            return self._answer(message)
        kind = types.NOTIFICATIONS.get(message["method"])
        if kind is None:
            return  # of a newer service
        notification = decode(kind, message.get("params") or {}, message["method"])
        match notification:
            case types.StreamDataNotification():
                if stream := self._incoming.get(notification.stream):
                    stream.take(notification)
            case types.StreamCreditNotification():
                if sender := self._outgoing.get(notification.stream):
                    sender.grant(notification.bytes)
            case types.StreamClosedNotification():
                error = notification.error
                failure = service_error(error.message or "", 0, error) if error else None
                if stream := self._incoming.get(notification.stream):
                    stream.close(failure)
                elif sender := self._outgoing.get(notification.stream):
                    sender.fail(failure)
            case _:
                self._report(notification)
                self._tell(notification)

    def _tell(self, message: Notification | CoracleError) -> None:
        for listener in list(self._listeners):
            try:
                listener(message)
            except Exception:
                LOG.exception("a listener has failed")

    def _answer(self, message: dict[str, Any]) -> None:
        call = self._calls.pop(message.get("id") or 0, None)
        if call is None:
            if "error" in message:
                raise ProtocolError(f"the service did not understand: {message['error'].get('message')}")
            return
        for task in call.tasks:
            self._tasks.pop(task, None)
        failure: BaseException | None = call.mistake
        try:
            if "error" in message:
                error = message["error"]
                data = error.get("data")
                failure = failure or service_error(
                    error.get("message", ""), error.get("code", 0), data and decode(types.ErrorData, data, "error.data")
                )
            result = None if failure else decode(call.result_type, message.get("result"))
        except ProtocolError as unreadable:
            failure = unreadable
        except Exception as unreadable:
            failure = ProtocolError(f"an answer could not be read: {unreadable}")
        if failure:
            call.answer.set_exception(failure)
        else:
            call.answer.set_result(result)

    def _report(self, notification: Notification) -> None:
        """Tells whoever asked for it about a task."""
        match notification:
            case types.TaskStartedNotification():
                call = self._calls.get(notification.request) if isinstance(notification.request, int) else None
                if call is None or call.progress is None:
                    return
                state = Progress(
                    notification.task, notification.parent, notification.title, notification.unit,
                    total=notification.total,
                )  # fmt: skip
                self._tasks[notification.task] = call
                call.tasks[notification.task] = state
            case types.TaskProgressedNotification() | types.TaskFinishedNotification():
                call = self._tasks.get(notification.task)
                if call is None:
                    return
                state = call.tasks[notification.task]
                if isinstance(notification, types.TaskProgressedNotification):
                    state.done, state.total = notification.done, notification.total or state.total
                else:
                    state.outcome, state.duration_ms = notification.outcome, notification.duration_ms
            case _:
                return
        if call.progress:
            try:
                call.progress(state)
            except BaseException as failure:  # pytest.fail() raises one that is no Exception: it is the caller's
                call.mistake, call.progress = failure, None
                self.notify(types.CancelRequestNotification(id=call.number))


def service_error(message: str, code: int, data: types.ErrorData | None) -> ServiceError:
    """The exception for an error of the service's."""
    kind: type[ServiceError] = ERRORS.get(data.kind, ServiceError) if data else ServiceError
    return kind(message, code, data)
