"""All errors of this package: what it raises itself, and a class for each kind of the protocol's."""

from .failure import CommandFailed, ConnectionLost, CoracleError, InvalidMessage, ProtocolError, ServiceError
from .generated.errors import *  # noqa: F403
from .generated.errors import CODES, ERRORS

__all__ = [
    "CODES",
    "ERRORS",
    "CommandFailed",
    "ConnectionLost",
    "CoracleError",
    "InvalidMessage",
    "ProtocolError",
    "ServiceError",
    *(error.__name__ for error in ERRORS.values()),
]
