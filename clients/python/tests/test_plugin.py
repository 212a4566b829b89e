"""The fixtures, in a pytest of their own that finds them as an installed package's."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[1]


def installed(directory):
    """What an installation leaves: the package's entry points, as pyproject.toml has them."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    info = directory / "coracle_client-0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = [
        line
        for group, points in project["entry-points"].items()
        for line in [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]
    ]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return {**os.environ, "PYTHONPATH": f"{directory}:{PROJECT / 'src'}", "PYTEST_ADDOPTS": ""}


def pytest_run(directory, environment, *options):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(directory), *options]
    return subprocess.run(command, cwd=directory, env=environment, text=True, capture_output=True)


TESTS = """
def test_three_lines(coracle_container):
    web = coracle_container("hello:1", ["sh", "-c", "echo ready; exec sleep 1000"])
    assert web.wait_for_log("ready")

def test_that_fails(coracle_container):
    coracle_container("hello:1", ["sleep", "1000"])
    assert False

def test_another_image(coracle_container):
    coracle_container("127.0.0.1:1/not/there")
"""


def test_containers_in_tests_go_with_them(client, image, tmp_path):
    environment = installed(tmp_path)
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "test_it.py").write_text(TESTS)
    done = pytest_run(tests, environment)
    assert "1 passed" in done.stdout and "2 failed" in done.stdout, done.stdout + done.stderr
    # What is not there is pulled, and the failure is the pull's.
    assert "UnreachableError" in done.stdout
    # Where a service was slow to end, another one removes its containers.
    with client.events(kinds=["container.removed"]) as events:
        while client.containers(all=True):
            next(iter(events))


def test_another_command_starts_the_service(image, tmp_path):
    environment = installed(tmp_path)
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "test_it.py").write_text("def test_it(coracle_client):\n    assert coracle_client.images()\n")
    assert "1 passed" in pytest_run(tests, environment, "--coracle-command", "env coracle serve").stdout
    (tests / "pytest.ini").write_text("[pytest]\ncoracle_command = /no/coracle\n")
    assert "cannot start /no/coracle" in pytest_run(tests, environment).stdout
