"""What the generated methods need of a connection, and the progress of what they ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias, TypeVar

from .generated import types

T = TypeVar("T")


@dataclass(slots=True)
class Progress:
    """A piece of a request's work, as it is now."""

    task: int
    """Its number in the session."""
    parent: int | None
    """The task it is part of."""
    title: str
    """What it is, as `layer 0123456789ab`."""
    unit: types.TaskUnit | None = None
    """What is counted."""
    done: int = 0
    """How much is done."""
    total: int | None = None
    """How much there is to do, where it is known."""
    outcome: types.TaskOutcome | None = None
    """How it ended, when it has."""
    duration_ms: int | None = None
    """How long it took, when it has ended."""


ProgressCallback: TypeAlias = Callable[[Progress], object]
"""Called on the connection's event loop: it must not wait. What it raises cancels the request, and is raised in the place of
the answer.
"""


class Requester(Protocol):
    """Sends a request and answers its result."""

    async def __call__(
        self, method: str, params: Mapping[str, object], result: type[T], progress: ProgressCallback | None = None, /
    ) -> T: ...


class BlockingRequester(Protocol):
    """Sends a request and waits for its result."""

    def __call__(
        self, method: str, params: Mapping[str, object], result: type[T], progress: ProgressCallback | None = None, /
    ) -> T: ...
