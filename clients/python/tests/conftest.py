"""A store of the tests' own, with an image of busybox in it. `coracle` is found in PATH."""

import asyncio
import faulthandler
import inspect
import os
import sys
import tarfile
from pathlib import Path

import pytest

from coracle import AsyncClient, Client

IMAGE = "hello:1"
PATIENCE = float(os.environ.get("CORACLE_TEST_PATIENCE", "90"))
"""Seconds for a test."""
APPLETS = ["sh", "echo", "cat", "sleep", "true", "false", "ls", "head", "mkdir", "ln", "readlink", "stat", "dd", "id"]


watchdog = pytest.StashKey()


def pytest_configure(config):
    # Before pytest puts a file of its own in the place of descriptor 2, which goes with the run that is ended.
    config.stash[watchdog] = os.fdopen(os.dup(sys.__stderr__.fileno()), "w")


def pytest_unconfigure(config):
    config.stash[watchdog].close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    """A test that hangs ends the run, and tells where."""
    seen = item.config.stash[watchdog]
    faulthandler.dump_traceback_later(PATIENCE, exit=True, file=seen)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Tests may be coroutines."""
    if inspect.iscoroutinefunction(pyfuncitem.obj):
        names = inspect.signature(pyfuncitem.obj).parameters
        arguments = {name: pyfuncitem.funcargs[name] for name in names}
        asyncio.run(asyncio.wait_for(pyfuncitem.obj(**arguments), PATIENCE * 0.9))
        return True


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    """The directory of the store, which every client of this process uses."""
    place = tmp_path_factory.mktemp("store")
    os.environ["CORACLE_STORE"] = str(place / "store")
    os.environ["CORACLE_RUN"] = str(place / "run")
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[1] / "src")
    return place


@pytest.fixture(scope="session")
def archive(place):
    """A root file system with busybox in it."""
    path = place / "root.tar"
    with tarfile.open(path, "w") as archive:
        for name in ("bin", "etc", "tmp"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        with open("/bin/busybox", "rb") as file:
            entry = tarfile.TarInfo("bin/busybox")
            entry.mode, entry.size = 0o755, os.fstat(file.fileno()).st_size
            archive.addfile(entry, file)
        for name in APPLETS:
            entry = tarfile.TarInfo(f"bin/{name}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(entry)
    return path


@pytest.fixture(scope="session")
def image(archive):
    """The image's name, in the store."""
    with Client() as client:
        client.image.import_(IMAGE, path=str(archive))
    return IMAGE


@pytest.fixture
def client(image):
    with Client() as client:
        yield client


@pytest.fixture
def open_client(image):
    """Makes a client for asyncio, which the test opens."""
    return AsyncClient
