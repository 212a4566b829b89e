"""Sessions with services that do not do as they should."""

import asyncio
import os
import signal

import pytest
from standin import stand_in

from coracle import AsyncClient, ConnectionLost
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
