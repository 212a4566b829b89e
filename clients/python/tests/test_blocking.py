"""The client that waits."""

import os
import signal
import subprocess
import sys
import textwrap
import threading

import pytest
from standin import stand_in

from coracle import Client, CommandFailed, ConnectionLost, errors


def test_it_does_the_same(client, image, tmp_path):
    assert client.run(image, ["echo", "hello"], check=True).text == "hello\n"
    with pytest.raises(CommandFailed):
        client.run(image, ["false"], check=True)
    with client.start(image, ["sh", "-c", "echo one; echo two; exec sleep 1000"]) as container:
        assert container.wait_for_log("two") == "two"
        with container.follow_logs() as logs:
            lines = logs.lines()
            assert [next(lines), next(lines)] == ["one", "two"]
        with container.exec_stream(["cat"], has_input=True) as process:
            process.write("typed\n")
            assert next(process.stdout.lines()) == "typed"
            process.close_input()
            assert process.wait().code == 0
        container.write_file("/etc/motd", b"hello")
        assert container.read_file("/etc/motd") == b"hello"
        assert container.copy_out("/etc/motd", tmp_path / "motd").read_text() == "hello"
        assert [found.id for found in client.containers()] == [container.id]
    assert client.containers(all=True) == []
    with pytest.raises(errors.NotFoundError):
        container.inspect()
    with client.run_stream(image, ["sh", "-c", "echo streamed"]) as process:
        assert process.started().image == image
        assert process.communicate().text == "streamed\n"
    with client.events(after=client.system.info().cursor, kinds=["container."]) as events:
        client.run(image, ["true"])
        kinds = [event.kind for _, event in zip(range(4), events)]
        assert kinds == [f"container.{word}" for word in ("created", "started", "exited", "removed")]


def test_several_threads_share_a_client(client, image):
    texts = {}

    def run(number):
        texts[number] = client.run(image, ["echo", str(number)]).text

    threads = [threading.Thread(target=run, args=[number]) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == {number: f"{number}\n" for number in range(5)}


def test_ctrl_c_stops_the_container_and_is_raised(client, image):
    script = f"""
        import coracle
        with coracle.Client() as client:
            try:
                client.run({image!r}, ["sleep", "1000"], init_process=True)
            except KeyboardInterrupt:
                print("left", len(client.containers(all=True)))
    """
    with client.events(kinds=["container."]) as events:
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, env={**os.environ}, text=True
        )
        for event in events:
            if event.kind == "container.started":
                break
        child.send_signal(signal.SIGINT)
        assert child.communicate()[0] == "left 0\n"


def test_a_program_that_ends_without_closing_leaves_no_service(client, image):
    script = f"""
        import coracle
        client = coracle.Client()
        client.start({image!r}, ["sleep", "1000"], lifetime=coracle.types.Lifetime.SESSION)
        print(client._client._connection.pid)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, stdout=subprocess.PIPE)
    with client.events(after="0-0", kinds=["container.removed"]) as events:
        ours = client.containers(all=True)
        assert not ours or any(event.subject == ours[0].id for event in events)
    assert client.containers(all=True) == []


def test_what_is_closed_stays_closed(image):
    client = Client()
    client.close()
    client.close()
    with pytest.raises(ConnectionLost):
        client.images()


def in_a_thread(action):
    """Answers how to wait for the failure of an action that another thread does."""
    failures = []

    def act():
        try:
            action()
        except Exception as failure:
            failures.append(failure)

    thread = threading.Thread(target=act)
    thread.start()

    def failure():
        thread.join()
        return failures[0]

    return failure


def test_closing_ends_a_session_that_another_thread_opens(tmp_path):
    told = tmp_path / "told"
    os.mkfifo(told)
    client = Client(["sh", "-c", f"echo $$ >{told}; exec sleep 977"])
    failure = in_a_thread(client.images)
    pid = int(told.read_text())
    client.close()
    assert isinstance(failure(), ConnectionLost)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_closing_ends_events_that_another_thread_waits_for(tmp_path):
    told = tmp_path / "told"
    os.mkfifo(told)
    reader = os.open(told, os.O_RDWR)
    answer = f"""
        send(id=id, result={{"subscription": "e1", "cursor": "1-1"}})
        with open({str(told)!r}, "w") as file:
            file.write("s")
        sys.exit()
    """
    client = Client(stand_in(textwrap.dedent(answer)))
    failure = in_a_thread(lambda: list(client.events()))
    # When the first service has ended there is one more, and others after that, with pauses.
    for _ in range(2):
        os.read(reader, 1)
    client.close()
    os.close(reader)
    assert isinstance(failure(), ConnectionLost)


@pytest.mark.parametrize("ask", [Client.images, Client.close, lambda client: client.__exit__(None, None, None)])
def test_a_callback_that_asks_or_closes_its_client_is_told_that_it_must_not(client, archive, ask):
    with pytest.raises(RuntimeError, match="must not ask or close"):
        client.image.import_("asked:1", path=str(archive), progress=lambda task: ask(client))
    assert all("asked:1" not in image.references for image in client.images())


@pytest.mark.parametrize("end", [pytest.fail.Exception, pytest.skip.Exception, SystemExit, KeyboardInterrupt])
def test_whatever_a_callback_raises_is_its_callers(client, image, archive, tmp_path, end):
    def leave(_):
        raise end("enough")

    with pytest.raises(end, match="enough"):
        client.image.import_("left:1", path=str(archive), progress=leave)
    project = tmp_path / "project"
    project.mkdir()
    (project / "Dockerfile").write_text(f"FROM {image}\nRUN --network=none echo {end.__name__}\n")
    for upload in [False, True]:
        for callback in ["progress", "on_line"]:
            with pytest.raises(end, match="enough"):
                client.build_image(project, upload=upload, no_cache=True, **{callback: leave})
    client.system.ping()
