"""What goes wrong, apart from the kinds of error that the protocol names (`coracle.errors`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .generated.types import ErrorData
    from .process import Output


class CoracleError(Exception):
    """Anything that this package raises."""


class ConnectionLost(CoracleError):
    """The service cannot be started, or has ended while something was asked of it."""


class ProtocolError(CoracleError):
    """The service has said something that this package does not understand."""


class InvalidMessage(CoracleError, ValueError):
    """What is asked cannot be said to the service: it has text that is no Unicode, a number that JSON does not know, or is
    longer than the service takes. Nothing was sent, and the session goes on.
    """


class ServiceError(CoracleError):
    """The service has answered with an error. There is a subclass for each kind (`coracle.errors`); this class itself
    is raised for a kind that is newer than this package, and where JSON-RPC's code says it all.
    """

    def __init__(self, message: str, code: int, data: ErrorData | None = None) -> None:
        super().__init__(message)
        self.message = message
        """One sentence for people."""
        self.code = code
        """JSON-RPC's; `coracle.errors.CODES` has the names."""
        self.data = data
        """Kind, subject, causes and hint."""

    @property
    def hint(self) -> str | None:
        """What a person can do."""
        return self.data.hint if self.data else None

    def __str__(self) -> str:
        if self.data is None:
            return self.message
        text = ": ".join([self.message, *self.data.causes])
        return f"{text}\nhint: {self.data.hint}" if self.data.hint else text


class CommandFailed(CoracleError):
    """A command in a container has ended with another exit code than 0, where that was to be checked."""

    def __init__(self, command: str, output: Output) -> None:
        super().__init__(command, output)
        self.command = command
        self.output = output

    def __str__(self) -> str:
        written = self.output.stderr.decode(errors="replace").strip()
        return f"{self.command}: exit code {self.output.code}" + (f": {written}" if written else "")
