"""Real containers in tests: the fixtures `coracle_client` and `coracle_container`.

What starts the service is told by the option `--coracle-command`, or by `coracle_command` in the configuration; which
store it uses by CORACLE_STORE, as everywhere.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from .blocking import Client
from .blocking_container import Container
from .generated import types


def pytest_addoption(parser: pytest.Parser) -> None:
    words = "what starts the service (default: coracle serve)"
    parser.getgroup("coracle", "containers").addoption("--coracle-command", help=words)
    parser.addini("coracle_command", words, default="coracle serve")


@pytest.fixture(scope="session")
def coracle_client(pytestconfig: pytest.Config) -> Iterator[Client]:
    """A client, with one service for the whole run."""
    command = pytestconfig.getoption("coracle_command") or pytestconfig.getini("coracle_command")
    with Client(shlex.split(command)) as client:
        yield client


@pytest.fixture
def coracle_container(coracle_client: Client) -> Iterator[Callable[..., Container]]:
    """Starts containers that are removed when the test has ended, however it ends:

        def test_greeting(coracle_container):
            web = coracle_container("web:1", ["serve"])
            assert web.wait_for_log("ready")

    It takes what `Client.start` takes. An image that is not there is pulled.
    """
    with ExitStack() as stack:

        def start(image: str, command: list[str] | None = None, **options: Any) -> Container:
            # With the session's lifetime: a test run that is killed leaves nothing either.
            options = {"pull": True, "lifetime": types.Lifetime.SESSION, **options}
            return stack.enter_context(coracle_client.start(image, command, **options))

        yield start
