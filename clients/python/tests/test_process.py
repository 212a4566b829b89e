"""Commands with their streams, without a service."""

import asyncio

from coracle import AsyncProcess, types
from coracle.streams import IncomingStream


async def test_leaving_lines_early_leaves_no_reader_behind():
    async def connect():
        raise NotImplementedError

    def stream(name):
        made = IncomingStream(name, lambda notification: None, lambda name: None)
        data = "line\n" * 1000
        made.take(types.StreamDataNotification(stream=name, seq=0, data=data, encoding=types.StreamEncoding.UTF8))
        return made

    process = AsyncProcess(connect, "container/logs", {}, type(None))
    process.stdout, process.stderr = stream("out"), stream("err")
    before = asyncio.all_tasks()
    lines = process.lines()
    assert await anext(lines) == "line"
    await lines.aclose()
    assert asyncio.all_tasks() == before
