"""Sessions with services that do not do as they should."""

import asyncio
import os
import signal

import pytest
from standin import stand_in

from coracle import AsyncClient, AsyncProcess, ConnectionLost, InvalidMessage, ProtocolError, types
from coracle.connection import Connection

SILENT = ["sleep", "1000"]


async def test_waiting_for_a_service_that_says_nothing_can_be_given_up():
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(AsyncClient(SILENT).connect(), 0.1)


async def test_a_service_that_answers_no_more_is_closed_all_the_same():
    connection = await Connection.open(stand_in("import time; time.sleep(1000)"))
    waiting = connection.call("system/ping", {}, type(None))
    await connection.close(patience=0.1)
    with pytest.raises(ConnectionLost):
        await waiting.result()


async def test_what_a_service_leaves_behind_holds_nobody_up(tmp_path):
    script = 'sleep 1000 & echo $! > "$1"; shift; exec "$@"'
    connection = await Connection.open(["sh", "-c", script, "sh", str(tmp_path / "pid"), *stand_in("pass")])
    try:
        await connection.close(patience=1)
        assert connection.is_lost
    finally:
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


WITH_PROGRESS = """
if method == "$/cancelRequest":
    send(id=params["id"], error={"code": -32800, "message": "cancelled"})
elif method == "system/ping":
    send(id=id, result=None)
else:
    send(method="task/started", params={"task": 1, "request": id, "title": "work", "unit": "bytes"})
    send(method="task/progressed", params={"task": 1, "done": 1})
"""


async def test_a_mistake_of_a_callback_is_its_request_s_alone():
    connection = await Connection.open(stand_in(WITH_PROGRESS))
    seen = []

    def report(progress):
        seen.append(progress)
        raise ZeroDivisionError("a percentage of nothing")

    def listen(message):
        raise KeyError("a listener's own")

    connection.listen(listen)
    with pytest.raises(ZeroDivisionError):
        await connection.request("image/pull", {}, type(None), report)
    assert len(seen) == 1
    await connection.request("system/ping", {}, type(None))
    await connection.close()


@pytest.mark.parametrize(
    "answer",
    [
        'error={"code": 1, "message": "no", "data": {"kind": "notFound"}}',
        'error="no"',
        'error={"code": 1, "message": "no", "data": "why"}',
        "result=7",
        'result={"containers": [7]}',
    ],
)
async def test_an_answer_that_cannot_be_read_is_told_to_who_waits_for_it(answer):
    command = stand_in(f'send(id=id, **(dict({answer}) if method == "container/list" else dict(result=None)))')
    connection = await Connection.open(command)
    with pytest.raises(ProtocolError):
        await connection.request("container/list", {}, types.ContainerListResult)
    await connection.request("system/ping", {}, type(None))
    await connection.close()


@pytest.mark.parametrize(
    ("value", "reason"),
    [("\udcff", r"no Unicode, '\\udcff'"), ("x" * (1 << 20), "takes 1048576"), (float("nan"), "not JSON compliant")],
    ids=["a surrogate", "too long", "no number"],
)
async def test_what_cannot_be_sent_is_its_caller_s_mistake_alone(value, reason):
    answer = 'if method == "system/ping": send(id=id, result=None)'
    connection = await Connection.open(stand_in(answer))
    waiting = connection.call("container/wait", {}, type(None))
    with pytest.raises(InvalidMessage, match=f"cannot send container/run.*{reason}"):
        await connection.request("container/run", {"image": value}, type(None))
    assert list(connection._calls) == [waiting.number]
    await connection.request("system/ping", {}, type(None))
    assert not waiting.answer.done()
    await connection.close()


async def test_a_command_that_cannot_be_sent_leaves_nothing_behind():
    connection = await Connection.open(stand_in("send(id=id, result=None)"))

    async def connect():
        return connection

    with pytest.raises(InvalidMessage):
        async with AsyncProcess(connect, "container/run", {"image": "\udcff"}, type(None), has_input=True):
            pass
    assert not (connection._incoming or connection._outgoing or connection._listeners or connection._calls)
    await connection.close()
