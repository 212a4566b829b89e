"""Images from Dockerfiles."""

import pytest

from coracle import errors

DOCKERFILE = """
FROM hello:1
ARG WHO=nobody
COPY greeting /greeting
RUN --network=none echo building for $WHO; cat /greeting
CMD cat /greeting
"""


@pytest.fixture
def project(tmp_path):
    place = tmp_path / "project"
    place.mkdir()
    place.chmod(0o755)
    (place / "Dockerfile").write_text(DOCKERFILE)
    (place / "greeting").write_text("hello\n")
    return place


async def test_a_directory_becomes_an_image(open_client, image, project):
    lines, tasks = [], []
    async with open_client() as client:
        built = await client.build_image(
            project, "made:1", arguments={"WHO": "you"}, on_line=lines.append, progress=tasks.append
        )
        assert (await client.run("made:1")).text == "hello\n"
        assert [line.partition(" ")[2] for line in lines if "building" in line] == ["building for you"]
        assert any("RUN" in task.title for task in tasks), tasks
        again = await client.build_image(project, arguments={"WHO": "you"})
        assert again.image.digest == built.image.digest and all(step.cached for step in again.steps)
        # The same from a service that cannot read the directory.
        sent = await client.build_image(project, upload=True, arguments={"WHO": "you"})
        assert sent.image.digest == built.image.digest
        explained = await client.build.explain(context=str(project), arguments={"WHO": "me"})
        assert not all(step.cached for step in explained.steps)


async def test_what_goes_wrong_has_its_kind(open_client, image, project):
    async with open_client() as client:
        with pytest.raises(errors.BuildFailedError):
            await client.build_image(project, dockerfile="FROM hello:1\nRUN --network=none echo trouble; exit 3\n")
        with pytest.raises(errors.InvalidArgumentError):
            await client.build_image(project, dockerfile="FORM hello:1\n", upload=True)
        with pytest.raises(errors.NotFoundError):
            await client.build_image(project / "missing")
        with pytest.raises(FileNotFoundError):
            await client.build_image(project / "missing", upload=True)
        await client.system.ping()


async def test_a_mistake_of_who_shows_the_output_does_not_hold_the_build_up(open_client, image, project):
    # More than the window of a stream, in few lines: how long each takes to be shown is not what is asked.
    much = f"FROM hello:1\nRUN --network=none /bin/busybox yes {'long' * 1024} | /bin/busybox head -c 4194304\n"

    def fail(line):
        raise ZeroDivisionError(line)

    async with open_client() as client:
        with pytest.raises(ZeroDivisionError):
            await client.build_image(project, dockerfile=much, on_line=fail)
        await client.system.ping()


def test_it_waits_too(client, image, project):
    lines = []
    client.build_image(project, "waited:1", on_line=lines.append)
    assert client.run("waited:1").text == "hello\n"
    client.image.remove("waited:1")
