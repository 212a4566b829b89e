"""A client of the Coracle container engine.

`Client` waits for each answer, `AsyncClient` is for asyncio; both start a service of their own (`coracle serve`) and
have all requests of the protocol as methods. In tests, the fixture `coracle_container` starts containers.
"""

from . import errors
from .blocking import Client
from .blocking_container import Container, Process
from .client import AsyncClient
from .container import AsyncContainer
from .events import Event
from .failure import CommandFailed, ConnectionLost, CoracleError, InvalidMessage, ProtocolError, ServiceError
from .generated import types
from .process import AsyncProcess, Output
from .request import Progress

__all__ = [
    "AsyncClient",
    "AsyncContainer",
    "AsyncProcess",
    "Client",
    "CommandFailed",
    "ConnectionLost",
    "Container",
    "CoracleError",
    "Event",
    "InvalidMessage",
    "Output",
    "Process",
    "Progress",
    "ProtocolError",
    "ServiceError",
    "errors",
    "types",
]
