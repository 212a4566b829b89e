"""Events: in order, each once, whatever becomes of the service or of a slow reader."""

import asyncio
import os
import signal

import pytest
from standin import stand_in

import coracle.events
from coracle import ConnectionLost, errors, types


async def gather(events, last):
    found = []
    async for event in events:
        found.append(event)
        if event.kind == types.EventKind.CONTAINER_REMOVED and event.subject == last:
            return found


async def removed(client, image):
    """A container that is made and removed: two events."""
    made = await client.container.create(image, command=["true"])
    await client.container.remove(made.container.id)
    return made.container.id


async def test_none_is_lost_when_the_service_dies(open_client, image):
    async with open_client() as client, open_client() as other:
        async with client.events(kinds=["container."]) as events:
            begin = events.cursor
            first = await removed(other, image)
            found = await gather(events, first)
            os.kill((await client.connect()).pid, signal.SIGKILL)
            made = [await removed(other, image) for _ in range(5)]
            found += await gather(events, made[-1])
        # Another reader, from the same place, has the same.
        async with other.events(after=begin, kinds=["container."]) as again:
            assert [event.cursor for event in await gather(again, made[-1])] == [event.cursor for event in found]
        assert [event.subject for event in found] == [id for id in [first, *made] for _ in range(2)]


async def test_a_slow_reader_gets_all_from_the_journal(open_client, image, monkeypatch):
    monkeypatch.setattr(coracle.events, "MOST_WAITING", 3)
    async with open_client() as client:
        async with client.events(kinds=["container."]) as events:
            made = [await removed(client, image) for _ in range(10)]
            found = await gather(events, made[-1])
        assert [event.subject for event in found] == [id for id in made for _ in range(2)]


async def test_what_cannot_begin_is_told(open_client, place):
    async with open_client() as client:
        with pytest.raises(errors.InvalidArgumentError):
            await anext(client.events(after="yesterday"))
    with pytest.raises(ConnectionLost):
        await anext(coracle.AsyncClient(["/no/coracle"]).events(after="0-0"))


EVENTS = """
from pathlib import Path
place = Path(PLACE)
if method == "event/subscribe":
    send(id=id, result={"subscription": "e1", "cursor": params.get("after") or "0-0"})
    begin = int((params.get("after") or "0-0")[2:])
    for number in range(begin + 1, begin + MANY + 1):
        event = {"kind": "container.created", "subject": "s", "time": "2026-01-01T00:00:00Z", "attributes": {}}
        send(method="event/occurred", params={"subscription": "e1", "cursor": f"0-{number}", **event})
    THEN
elif method == "event/unsubscribe" and not place.exists():
    place.touch()
    sys.exit(1)
else:
    send(id=id, result=None)
"""


def events_of(many, then, place):
    source = EVENTS.replace("MANY", str(many)).replace("THEN", then).replace("PLACE", repr(str(place)))
    return coracle.AsyncClient(stand_in(source))


async def test_a_service_that_ends_while_a_slow_reader_subscribes_again_loses_none(tmp_path, monkeypatch):
    monkeypatch.setattr(coracle.events, "MOST_WAITING", 3)
    async with events_of(5, "pass", tmp_path / "ended") as client:
        async with client.events() as events:
            await client.system.ping()
            assert [(await anext(events)).cursor for _ in range(6)] == [f"0-{number}" for number in range(1, 7)]
    assert (tmp_path / "ended").exists()


async def test_a_subscription_that_the_service_ends_is_told_and_can_go_on(tmp_path):
    error = {"kind": "unavailable", "retriable": True, "causes": [], "message": "the journal is away"}
    ended = f'send(method="event/ended", params={{"subscription": "e1", "error": {error}}})'
    async with events_of(1, ended, tmp_path / "ended") as client:
        async with client.events() as events:
            assert (await anext(events)).cursor == "0-1"
            with pytest.raises(errors.ServiceError, match="the journal is away"):
                await anext(events)
            assert (await anext(events)).cursor == "0-2"


async def test_a_closed_client_ends_its_iterators(open_client):
    async with open_client() as client:
        waiting = asyncio.create_task(anext(client.events()))
        await client.system.ping()
    with pytest.raises(ConnectionLost):
        await waiting
