"""Containers by asyncio."""

import asyncio
import os
import signal

import pytest

from coracle import AsyncClient, CommandFailed, ConnectionLost, InvalidMessage, errors, types


async def test_a_command_runs_to_its_end(open_client, image):
    async with open_client() as client:
        output = await client.run(image, ["sh", "-c", "echo out; echo err >&2; exit 3"])
        assert (output.stdout, output.stderr, output.code, output.text) == (b"out\n", b"err\n", 3, "out\n")
        assert await client.containers(all=True) == []
        with pytest.raises(CommandFailed, match="exit code 3: err"):
            await client.run(image, ["sh", "-c", "echo err >&2; exit 3"], check=True)
        output = await client.run(image, ["sh", "-c", "echo $WHO"], environment={"WHO": "me"}, check=True)
        assert output.text == "me\n"


async def test_input_and_output_of_any_size_and_kind(open_client, image):
    data = bytes(range(256)) * 20000
    async with open_client() as client:
        assert (await client.run(image, ["cat"], input=data)).stdout == data
        # A command that does not read its input is none the worse for it.
        assert (await client.run(image, ["true"], input=data)).code == 0


async def test_output_comes_while_it_is_written_and_stops_where_nobody_reads(open_client, image):
    async with open_client() as client:
        async with client.run_stream(image, ["cat"], has_input=True) as process:
            container = await process.started()
            assert container.state == types.ContainerState.RUNNING
            await process.stdin.write("one\n")
            lines = process.stdout.lines()
            assert await anext(lines) == "one"
            await process.stdin.write("two\n")
            assert await anext(lines) == "two"
            process.stdin.close()
            assert (await process.wait()).code == 0
        async with client.run_stream(image, ["dd", "if=/dev/zero", "bs=65536", "count=160"]) as process:
            first = await anext(process.stdout)
            await process.started()
            # As long as nobody reads on, no more than the window comes.
            await client.system.ping()
            waiting = sum(len(piece) for piece in process.stdout._pieces)
            assert first and waiting <= process.stdout.window
            rest = await process.stdout.read()
            assert len(first) + len(rest) == 160 * 65536
        async with client.run_stream(image, ["sh", "-c", "echo a; echo b >&2"]) as process:
            assert sorted([line async for line in process.lines()]) == ["a", "b"]
        assert await client.containers(all=True) == []


async def test_leaving_stops_what_runs(open_client, image):
    async with open_client() as client:
        async with client.run_stream(image, ["sleep", "1000"], init_process=True) as process:
            await process.started()
        assert await client.containers(all=True) == []
        async with client.events(kinds=["container."]) as events:
            task = asyncio.create_task(client.run(image, ["sleep", "1000"], init_process=True))
            while (await anext(events)).kind != types.EventKind.CONTAINER_STARTED:
                pass
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            # Raised only when the work has stopped: nothing is left by now.
            assert await client.containers(all=True) == []


async def test_a_container_is_waited_for_and_removed(open_client, image):
    script = "echo starting; sleep 0.1; echo ready; sleep 1000"
    check = types.HealthCheck(test=["CMD", "true"], interval_ms=50)
    async with open_client() as client:
        async with await client.start(image, ["sh", "-c", script], name="web", health=check) as web:
            assert await web.wait_for_log("ready") == "ready"
            await web.wait_until_healthy()
            assert (await web.inspect()).container.health == types.HealthState.HEALTHY
            with pytest.raises(errors.TimedOutError):
                await web.wait_for_port(80, timeout=0.1)
            assert (await web.exec(["echo", "hello"], check=True)).text == "hello\n"
            assert (await web.exec(["cat"], input="typed")).text == "typed"
            assert (await web.logs(tail=1)).text == "ready\n"
            assert [found.name for found in await client.containers()] == ["web"]
            exit = await client.find("web").stop(timeout=0.1)
            assert exit == await web.wait() and (exit.code, exit.signal) == (137, "SIGKILL")
        assert await client.containers(all=True) == []


async def test_errors_have_a_class_and_a_hint(open_client, image):
    async with open_client() as client:
        with pytest.raises(errors.NotFoundError) as caught:
            await client.find("nobody").start()
        assert caught.value.data.kind == types.ErrorKind.NOT_FOUND and "nobody" in str(caught.value)
        with pytest.raises(errors.InvalidArgumentError) as caught:
            await client.container.list(all="perhaps")
        assert errors.CODES[caught.value.code] == "InvalidParams" and "all" in caught.value.message
        with pytest.raises(errors.NotFoundError, match="hint: name one of its /etc/passwd"):
            await client.run(image, ["true"], user="nobody")
        with pytest.raises(errors.InvalidArgumentError):
            await client.run(image, ["true"], stop_signal="SIGNOTHING")


async def test_progress_is_a_tree_of_tasks(open_client, archive):
    seen = []
    async with open_client() as client:
        result = await client.image.import_("progress:1", path=str(archive), progress=seen.append)
        assert seen[-1].outcome == types.TaskOutcome.SUCCEEDED
        assert seen[-1].done == archive.stat().st_size and seen[-1].parent is None
        await client.image.remove("progress:1")
        assert result.image.references == ["docker.io/library/progress:1"]


@pytest.mark.skipif("CORACLE_TEST_REFERENCE" not in os.environ, reason="needs CORACLE_TEST_REFERENCE, in a registry")
async def test_what_is_not_there_is_pulled(open_client):
    reference = os.environ["CORACLE_TEST_REFERENCE"]
    async with open_client() as client:
        with pytest.raises(errors.NotFoundError):
            await client.run(reference, ["echo", "pulled"])
        assert (await client.run(reference, ["echo", "pulled"], pull=True)).text == "pulled\n"
        await client.image.remove(reference)
        seen = []
        image = await client.pull(reference, progress=seen.append)
        assert reference in image.references
        assert seen[-1].parent is None and seen[-1].outcome == types.TaskOutcome.SUCCEEDED
        assert any(task.parent and task.title.startswith("layer ") for task in seen), seen
        await client.image.remove(reference)


async def test_what_else_is_missing_is_told_and_not_pulled(open_client, image):
    async with open_client() as client:

        async def pull(reference, *, progress=None):
            raise AssertionError(f"{reference} was to be pulled")

        client.pull = pull
        for arguments, options in (["/no/command"], {}), (["true"], {"networks": [{"network": "nowhere"}]}):
            for action in client.run, client.start:
                with pytest.raises(errors.NotFoundError) as caught:
                    await action(image, arguments, pull=True, auto_remove=True, **options)
                assert ("nowhere" if options else "/no/command") in str(caught.value)
        assert await client.containers(all=True) == []


async def test_words_that_are_no_unicode_are_told_and_the_session_goes_on(open_client, image):
    async with open_client() as client:
        connection = await client.connect()
        with pytest.raises(InvalidMessage, match="no Unicode"):
            await client.run(image, ["echo", "\udcff"])
        with pytest.raises(UnicodeEncodeError):
            await client.run(image, ["cat"], input="\udcff", init_process=True)
        with pytest.raises(InvalidMessage, match="bytes, and the service takes"):
            await client.run(image, ["echo", "x" * connection.info.capabilities.max_frame_bytes])
        assert (await client.run(image, ["echo", "on"])).text == "on\n"
        assert await client.connect() is connection
        assert await client.containers(all=True) == []


async def test_the_service_can_be_behind_any_command(image):
    command = ["sh", "-c", 'exec "$@"', "sh", "coracle", "serve"]
    async with AsyncClient(command) as client:
        assert image in [name.rpartition("/")[2] for found in await client.images() for name in found.references]


async def test_a_service_that_does_not_come_says_why(place):
    with pytest.raises(ConnectionLost, match="cannot start /no/coracle"):
        await AsyncClient(["/no/coracle"]).connect()
    with pytest.raises(ConnectionLost, match="status 7: out of order"):
        await AsyncClient(["sh", "-c", "echo out of order >&2; exit 7"]).connect()


async def test_a_lost_service_fails_what_is_under_way_and_comes_back(open_client, image):
    async with open_client() as client:
        async with await client.start(image, ["sleep", "1000"]) as container:
            waiting = asyncio.create_task(container.wait())
            await client.system.ping()
            os.kill((await client.connect()).pid, signal.SIGKILL)
            with pytest.raises(ConnectionLost):
                await waiting
            # The container has outlived its service, and the next request starts another one.
            assert (await container.inspect()).container.state == types.ContainerState.RUNNING
    with pytest.raises(ConnectionLost, match="closed"):
        await client.system.ping()


async def test_closing_ends_a_session_that_is_being_opened(open_client):
    client = open_client()
    asking = asyncio.create_task(client.images())
    await asyncio.sleep(0)  # it has begun
    await client.close()
    with pytest.raises(ConnectionLost):
        await asking
    assert client._connection is None or client._connection.is_lost
